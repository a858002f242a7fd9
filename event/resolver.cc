// SPDX-License-Identifier: 0BSD
#include "event/resolver.h"

#include <event2/dns.h>
#include <event2/event.h>
#include <event2/util.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include <utility>

#include "core/check.h"
#include "core/endpoint.h"
#include "event/libevent_loop.h"

namespace qv::event {

namespace {

constexpr Error kUndecided{Fault::retry, 0, "dns"};

// libevent calls back once for each request, cancelled or not, perhaps at once.  The Call lives
// until then, the handle as long as its user wants.
class AddressLookup final : public Loop::Handle {
 public:
  AddressLookup(Loop& loop, evdns_base* dns, const std::string& host, std::uint16_t port,
                AddressesFound done)
      : loop_(loop), done_(std::move(done)), call_(new Call{this, nullptr}) {
    evutil_addrinfo hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_protocol = IPPROTO_TCP;
    Call* call = call_;
    evdns_getaddrinfo_request* request = evdns_getaddrinfo(
        dns, host.c_str(), std::to_string(port).c_str(), &hints, &AddressLookup::answered, call);
    // Null: it has called back already, and the Call is destroyed.
    if (request != nullptr) call->request = request;
  }
  ~AddressLookup() override {
    if (call_ == nullptr) return;
    call_->lookup = nullptr;
    evdns_getaddrinfo_cancel(call_->request);
  }

 private:
  struct Call {
    AddressLookup* lookup;  // null: destroyed
    evdns_getaddrinfo_request* request;
  };

  static void answered(int result, evutil_addrinfo* list, void* argument) noexcept {
    const std::unique_ptr<Call> call(static_cast<Call*>(argument));
    if (call->lookup != nullptr) call->lookup->on_answer(result, list);
    if (list != nullptr) evutil_freeaddrinfo(list);
  }

  void on_answer(int result, const evutil_addrinfo* list) {
    call_ = nullptr;
    Result<Addresses> found = kUndecided;
    if (result == 0) found = collect(list);
    // EAI_NODATA: the name exists, without such records.
    if (result == EVUTIL_EAI_NONAME || result == EVUTIL_EAI_NODATA) found = Addresses{};
    soon_ = loop_.after(0, [this, found] {
      // The callback may destroy this object.
      const AddressesFound done = std::move(done_);
      done(found);
    });
  }

  static Addresses collect(const evutil_addrinfo* list) {
    Addresses addresses;
    for (; list != nullptr; list = list->ai_next) {
      Endpoint endpoint{};
      if (list->ai_addrlen > sizeof endpoint.address) continue;
      memcpy(&endpoint.address, list->ai_addr, list->ai_addrlen);
      endpoint.length = static_cast<socklen_t>(list->ai_addrlen);
      char text[kEndpointText];
      format_endpoint(endpoint, text, sizeof text);
      addresses.push_back({endpoint.address, endpoint.length, std::string("inet:") + text});
    }
    return addresses;
  }

  Loop& loop_;
  AddressesFound done_;
  Call* call_;
  Loop::Owned soon_;
};

std::shared_ptr<evdns_base> read_resolv_conf(LibeventLoop& loop, const std::string& path) {
  const std::shared_ptr<evdns_base> dns(
      evdns_base_new(loop.base(), EVDNS_BASE_DISABLE_WHEN_INACTIVE),
      [](evdns_base* base) { evdns_base_free(base, 0); });
  QV_CHECK(dns != nullptr);
  // No search list: the name of a next hop is complete, and must not become another one.
  evdns_base_resolv_conf_parse(
      dns.get(), DNS_OPTION_NAMESERVERS | DNS_OPTION_MISC | DNS_OPTION_HOSTSFILE, path.c_str());
  return dns;
}

}  // namespace

Resolver make_resolver(LibeventLoop& loop, const std::string& resolv_conf) {
  const std::shared_ptr<evdns_base> dns = read_resolv_conf(loop, resolv_conf);
  evdns_base_set_option(dns.get(), "timeout:", "3");
  evdns_base_set_option(dns.get(), "attempts:", "2");
  return [&loop, dns](const std::string& host, std::uint16_t port,
                      AddressesFound done) -> Loop::Owned {
    return std::make_unique<AddressLookup>(loop, dns.get(), host, port, std::move(done));
  };
}

std::vector<StreamAddress> name_servers(LibeventLoop& loop, const std::string& resolv_conf) {
  const std::shared_ptr<evdns_base> dns = read_resolv_conf(loop, resolv_conf);
  std::vector<StreamAddress> servers(
      static_cast<std::size_t>(evdns_base_count_nameservers(dns.get())));
  for (std::size_t i = 0; i < servers.size(); ++i) {
    auto* address = reinterpret_cast<sockaddr*>(&servers[i].storage);
    servers[i].size = static_cast<socklen_t>(evdns_base_get_nameserver_addr(
        dns.get(), static_cast<int>(i), address, sizeof servers[i].storage));
  }
  return servers;
}

}  // namespace qv::event
