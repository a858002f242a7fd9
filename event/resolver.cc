// SPDX-License-Identifier: 0BSD
#include "event/resolver.h"

#include <event2/dns.h>
#include <event2/event.h>
#include <event2/util.h>
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

#include <array>
#include <utility>

#include "control/lines.h"
#include "core/check.h"
#include "core/fault.h"
#include "core/text.h"
#include "event/libevent_loop.h"
#include "event/stream.h"
#include "wire/dns.h"

namespace qv {

namespace {

constexpr std::int64_t kTry_us = 3000000;  // one server's time for one question
constexpr std::size_t kTries = 2;          // rounds over all servers
constexpr std::size_t kMaxServers = 3;     // as resolv.conf(5)

constexpr Error kCannotTell{Fault::retry, 0, "dns"};

std::uint16_t random_id() {
  std::uint16_t id = 0;
  if (getrandom(&id, sizeof id, GRND_NONBLOCK) != sizeof id)
    id = static_cast<std::uint16_t>(random());
  return id;
}

// "addr", and with a port as libevent's resolver takes it: "addr:port", "[addr]:port".
std::optional<StreamAddress> parse_server(std::string_view text) {
  const bool bracketed = starts_with(text, "[");
  const bool bare_ipv6 = !bracketed && find_byte(text, ':') != find_last_byte(text, ':');
  std::string address = "inet:";
  address += bare_ipv6 ? "[" + std::string(text) + "]" : std::string(text);
  const bool has_port = bracketed ? !ends_with(text, "]") : find_byte(text, ':') < text.size();
  if (bare_ipv6 || !has_port) address += ":53";
  Result<StreamAddress> parsed = parse_stream_address(address);
  if (!parsed.ok()) return std::nullopt;
  return std::move(parsed).value();
}

std::vector<StreamAddress> read_servers(const std::string& resolv_conf) {
  std::vector<StreamAddress> servers;
  const auto lines = read_control_file(resolv_conf);
  if (lines.ok() && lines.value()) {
    for (const ControlLine& line : *lines.value()) {
      std::string_view rest = line.text;
      if (!starts_with(rest, "nameserver")) continue;
      rest = trim_blanks(after_bytes(rest, 10));
      const auto server = parse_server(first_bytes(rest, find_byte(rest, ' ')));
      if (server && servers.size() < kMaxServers) servers.push_back(*server);
    }
  }
  if (servers.empty()) servers.push_back(*parse_server("127.0.0.1"));
  return servers;
}

// One question for MX records: by UDP to one server after the other, by TCP where the reply does
// not fit.  A fresh socket and id per try: a forged reply must guess port and id.
class MxLookup final : public Loop::Handle, private Stream::User {
 public:
  using Done = std::function<void(Result<Resolver::Exchangers>)>;

  MxLookup(Loop& loop, const std::vector<StreamAddress>& servers, std::string domain, Done done)
      : loop_(loop), servers_(servers), domain_(std::move(domain)), done_(std::move(done)) {
    timer_ = loop_.after(0, [this] { next_try(); });
  }

 private:
  void next_try() {
    watch_.reset();
    stream_.reset();
    socket_.reset();
    if (tries_ == kTries * servers_.size()) return finish(kCannotTell);
    server_ = tries_++ % servers_.size();
    query_ = dns::encode_mx_query(random_id(), domain_);
    // What is no name has no records.
    if (query_.empty()) return finish(Resolver::Exchangers{});
    timer_ = loop_.after(kTry_us, [this] { next_try(); });
    const StreamAddress& server = servers_[server_];
    socket_.reset(::socket(server.storage.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!socket_.valid() || ::connect(socket_.get(), server.get(), server.size) != 0 ||
        ::send(socket_.get(), query_.data(), query_.size(), 0) < 0) {
      timer_ = loop_.after(0, [this] { next_try(); });
      return;
    }
    watch_ = loop_.when_readable(socket_.get(), [this] { on_datagram(); });
  }

  void on_datagram() {
    std::array<char, dns::kMaxUdpReply> buffer{};
    const ssize_t got = ::recv(socket_.get(), buffer.data(), buffer.size(), 0);
    // Nobody listens there: the next one.
    if (got < 0) return errno == EAGAIN || errno == EINTR ? void() : next_try();
    judge({buffer.data(), static_cast<std::size_t>(got)});
  }

  void judge(std::string_view reply) {
    std::vector<dns::Mx> records;
    switch (dns::parse_mx_reply(reply, query_, records)) {
      case dns::Reply::answer: {
        Resolver::Exchangers exchangers;
        for (dns::Mx& record : records) {
          exchangers.push_back({record.preference, std::move(record.host)});
        }
        return finish(std::move(exchangers));
      }
      case dns::Reply::truncated:
        return stream_ ? next_try() : ask_by_tcp();
      case dns::Reply::failure:
        return next_try();
      case dns::Reply::foreign:
        return;
    }
  }

  void ask_by_tcp() {
    watch_.reset();
    bool in_progress = false;
    Result<Fd> connecting = start_connect(servers_[server_], in_progress);
    if (!connecting.ok()) return next_try();
    stream_ = std::make_unique<Stream>(loop_, std::move(connecting).value(), kLimits);
    stream_->start(*this, Stream::Connecting::yes);
    std::string framed;
    framed += static_cast<char>(query_.size() >> 8);
    framed += static_cast<char>(query_.size() & 0xff);
    stream_->write(framed + query_);
  }

  std::size_t on_input(Stream& /*stream*/, std::string_view input) override {
    if (input.size() < 2) return 0;
    const auto high = static_cast<unsigned char>(input[0]);
    const auto low = static_cast<unsigned char>(input[1]);
    const std::size_t length = static_cast<std::size_t>(high << 8 | low);
    if (input.size() - 2 < length) return 0;
    const std::string reply(input.substr(2, length));
    // Not from within the stream: judging may destroy it.
    timer_ = loop_.after(0, [this, reply] { judge(reply); });
    return input.size();
  }
  void on_end(Stream& /*stream*/, StreamEnd /*why*/) override {
    // A reply that has come is being judged.
    if (stream_) timer_ = loop_.after(0, [this] { next_try(); });
  }

  void finish(Result<Resolver::Exchangers> found) {
    timer_.reset();
    watch_.reset();
    stream_.reset();
    // It may destroy this.
    const Done done = std::move(done_);
    done(std::move(found));
  }

  static constexpr StreamLimits kLimits{};

  Loop& loop_;
  const std::vector<StreamAddress>& servers_;
  std::string domain_;
  Done done_;
  std::size_t tries_ = 0;
  std::size_t server_ = 0;
  std::string query_;
  Fd socket_;
  Loop::Owned watch_;
  Loop::Owned timer_;
  std::unique_ptr<Stream> stream_;
};

// libevent calls back once for each request, cancelled or not, perhaps at once; the request lives
// until it has, the handle until its user lets it go.
class AddressLookup final : public Loop::Handle {
 public:
  using Done = std::function<void(Result<Resolver::Addresses>)>;

  AddressLookup(Loop& loop, evdns_base* dns, const std::string& host, std::uint16_t port, Done done)
      : loop_(loop), done_(std::move(done)), call_(new Call{this, nullptr}) {
    evutil_addrinfo hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_protocol = IPPROTO_TCP;
    Call* call = call_;
    evdns_getaddrinfo_request* request = evdns_getaddrinfo(
        dns, host.c_str(), std::to_string(port).c_str(), &hints, &AddressLookup::answered, call);
    // Null: it has called back already, and the call is gone.
    if (request != nullptr) call->request = request;
  }
  ~AddressLookup() override {
    if (call_ == nullptr) return;
    call_->lookup = nullptr;
    evdns_getaddrinfo_cancel(call_->request);
  }

 private:
  struct Call {
    AddressLookup* lookup;  // null: nobody waits
    evdns_getaddrinfo_request* request;
  };

  static void answered(int result, evutil_addrinfo* list, void* argument) noexcept {
    const std::unique_ptr<Call> call(static_cast<Call*>(argument));
    if (call->lookup != nullptr) call->lookup->on_answer(result, list);
    if (list != nullptr) evutil_freeaddrinfo(list);
  }

  void on_answer(int result, const evutil_addrinfo* list) {
    call_ = nullptr;
    Result<Resolver::Addresses> found = kCannotTell;
    if (result == 0) found = collect(list);
    // EAI_NODATA: the name exists, without such records.
    if (result == EVUTIL_EAI_NONAME || result == EVUTIL_EAI_NODATA) found = Resolver::Addresses{};
    soon_ = loop_.after(0, [this, found] {
      // It may destroy this.
      const Done done = std::move(done_);
      done(found);
    });
  }

  static Resolver::Addresses collect(const evutil_addrinfo* list) {
    Resolver::Addresses addresses;
    for (; list != nullptr; list = list->ai_next) {
      StreamAddress address;
      if (list->ai_addrlen > sizeof address.storage) continue;
      memcpy(&address.storage, list->ai_addr, list->ai_addrlen);
      address.size = static_cast<socklen_t>(list->ai_addrlen);
      address.text = text_of(*list);
      addresses.push_back(std::move(address));
    }
    return addresses;
  }

  static std::string text_of(const evutil_addrinfo& info) {
    std::array<char, NI_MAXHOST> host{};
    std::array<char, NI_MAXSERV> port{};
    getnameinfo(info.ai_addr, static_cast<socklen_t>(info.ai_addrlen), host.data(), host.size(),
                port.data(), port.size(), NI_NUMERICHOST | NI_NUMERICSERV);
    const std::string name = host.data();
    return "inet:" + (info.ai_family == AF_INET6 ? "[" + name + "]" : name) + ":" + port.data();
  }

  Loop& loop_;
  Done done_;
  Call* call_;
  Loop::Owned soon_;
};

struct FreeDns {
  void operator()(evdns_base* dns) const { evdns_base_free(dns, 0); }
};

class LibeventResolver final : public Resolver {
 public:
  LibeventResolver(LibeventLoop& loop, const std::string& resolv_conf)
      : loop_(loop),
        servers_(read_servers(resolv_conf)),
        dns_(evdns_base_new(loop.base(), EVDNS_BASE_DISABLE_WHEN_INACTIVE)) {
    QV_CHECK(dns_ != nullptr);
    // No search list: a next hop is named in full, and must not become another one.
    evdns_base_resolv_conf_parse(dns_.get(),
                                 DNS_OPTION_NAMESERVERS | DNS_OPTION_MISC | DNS_OPTION_HOSTSFILE,
                                 resolv_conf.c_str());
    evdns_base_set_option(dns_.get(), "timeout:", "3");
    evdns_base_set_option(dns_.get(), "attempts:", "2");
  }

  Loop::Owned find_exchangers(const std::string& domain,
                              std::function<void(Result<Exchangers>)> done) override {
    return std::make_unique<MxLookup>(loop_, servers_, domain, std::move(done));
  }

  Loop::Owned find_addresses(const std::string& host, std::uint16_t port,
                             std::function<void(Result<Addresses>)> done) override {
    return std::make_unique<AddressLookup>(loop_, dns_.get(), host, port, std::move(done));
  }

 private:
  LibeventLoop& loop_;
  std::vector<StreamAddress> servers_;
  std::unique_ptr<evdns_base, FreeDns> dns_;
};

}  // namespace

std::unique_ptr<Resolver> make_resolver(LibeventLoop& loop, const std::string& resolv_conf) {
  return std::make_unique<LibeventResolver>(loop, resolv_conf);
}

}  // namespace qv
