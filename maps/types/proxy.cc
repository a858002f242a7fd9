// SPDX-License-Identifier: 0BSD
// proxy:type:name - the table type:name, asked through qmail-proxymap (or Postfix's proxymap).
//
// Blocking: for tools.  A daemon asks through maps/proxy_client.h, which does not wait.  Opening
// the table asks the proxy to open it; a proxy that is not there is a table that cannot be asked
// now. Manual: qmail-map-net(5).  Tests: tests/maps/contract_proxy.cc
#include <errno.h>

#include "core/text.h"
#include "maps/open.h"
#include "maps/types/stream_map.h"
#include "wire/proxymap.h"

namespace qv {

namespace {

using proxymap::Operation;
using proxymap::Reply;
using proxymap::Request;
using proxymap::Status;

class ProxyMap final : public StreamMap {
 public:
  ProxyMap(std::string_view table, const MapOptions& options)
      : StreamMap(proxy_address(options.for_update)),
        table_(table),
        for_update_(options.for_update),
        flags_(options.no_substitution ? proxymap::flag::kNoSubstitution : 0) {}

  // Asks the proxy to open the table, so that a name that is not approved shows at once.
  Result<void> open() {
    QV_TRY(const Answer opened, request({.operation = Operation::open}));
    static_cast<void>(opened);
    pattern_ = (reply_flags_ & proxymap::flag::kPattern) != 0;
    return {};
  }

  Result<Answer> update(std::string_view key, std::string_view value) override {
    if (!for_update_) return Map::update(key, value);
    // The protocol does not say whether there was a value.
    QV_TRY(const Answer was, request({.operation = Operation::lookup, .key = key}));
    QV_TRY_VOID(request({.operation = Operation::update, .key = key, .value = value}));
    return was;
  }
  Result<Answer> erase(std::string_view key) override {
    if (!for_update_) return Map::erase(key);
    return request({.operation = Operation::erase, .key = key});
  }
  Result<Answer> sequence(Step step, std::string& key, std::string& value) override {
    QV_TRY(const Answer answer,
           request({.operation = Operation::sequence, .next = step == Step::next}));
    if (answer == Answer::found) {
      key = std::move(key_);
      value = std::move(value_);
    }
    return answer;
  }
  bool is_pattern() const override { return pattern_; }

 private:
  Result<void> connect(const std::string& address) override {
    QV_TRY_VOID(StreamMap::connect(address));
    return exchange({}, [](std::string_view arrived, std::size_t& size) {
      AttributeDecoder decoder;
      const Frame frame = decoder.scan(arrived);
      if (frame != Frame::whole) return frame;
      size = decoder.size();
      return proxymap::is_greeting(decoder, arrived) ? Frame::whole : Frame::malformed;
    });
  }

  Result<Answer> ask(std::string_view key, std::string& value) override {
    QV_TRY(const Answer answer, send({.operation = Operation::lookup, .key = key}));
    if (answer == Answer::found) value = std::move(value_);
    return answer;
  }

  Result<Answer> request(const Request& request) {
    // A walk goes on only on the connection where it was begun.
    return with_connection([&] { return send(request); }, !request.next);
  }

  Result<Answer> send(Request request) {
    // The protocol has no way to carry it, and no table behind it that could hold it.
    if (find_byte(request.key, '\0') != request.key.size()) return Answer::absent;
    if (find_byte(request.value, '\0') != request.value.size()) {
      return Error{Fault::denied, EINVAL, "a NUL cannot be sent to the proxy"};
    }
    request.table = table_;
    request.flags = flags_;
    std::string bytes;
    proxymap::append_request(bytes, request);
    Status status = Status::retry;
    QV_TRY_VOID(exchange(bytes, [&](std::string_view arrived, std::size_t& size) {
      AttributeDecoder decoder;
      const Frame frame = decoder.scan(arrived);
      if (frame != Frame::whole) return frame;
      size = decoder.size();
      Reply reply;
      if (!proxymap::parse_reply(decoder, arrived, request.operation, request.dialect, reply)) {
        return Frame::malformed;
      }
      status = reply.status;
      reply_flags_ = reply.flags;
      key_ = reply.key;
      value_ = reply.value;
      return Frame::whole;
    }));
    return answer_of(status);
  }

  Result<Answer> answer_of(Status status) {
    const std::string table = "table proxy: " + table_;
    switch (status) {
      case Status::ok:
        return Answer::found;
      case Status::no_key:
        return Answer::absent;
      case Status::retry:
        return fail({Fault::retry, 0, "table behind the proxy"},
                    table + " cannot be asked now; its log says why");
      case Status::config:
        return fail({Fault::config, 0, "table behind the proxy"},
                    table + " has a configuration error; its log says which");
      case Status::deny:
        // Not this request's fault: mail must wait until the operator has approved the table.
        return fail({Fault::config, 0, "not approved by the proxy"},
                    table + " is not approved; its log says where to approve it");
      case Status::bad:
        return fail({Fault::protocol, 0, "request to the proxy"},
                    table + ": the proxy does not understand the request");
    }
    return Error{Fault::protocol, 0, "reply of the proxy"};
  }

  std::string table_;
  bool for_update_;
  std::uint32_t flags_;
  bool pattern_ = false;
  // Of the last reply.
  std::uint32_t reply_flags_ = 0;
  std::string key_;
  std::string value_;
};

Result<std::unique_ptr<Map>> open_proxy(const MapSpec& spec, std::string& detail) {
  const std::string_view table = proxymap::strip_proxy(strip_braces(spec.name));
  std::string_view type;
  std::string_view name;
  if (!split_type(table, type, name)) {
    detail = "proxy:" + spec.name + ": write proxy:type:name";
    return Error{Fault::config, 0, "proxied table"};
  }
  auto map = std::make_unique<ProxyMap>(table, spec.options);
  const Result<void> opened = map->open();
  if (!opened.ok()) {
    detail = map->detail();
    return opened.error();
  }
  return std::unique_ptr<Map>(std::move(map));
}

}  // namespace

extern const MapType map_type_proxy;
const MapType map_type_proxy{"proxy",
                             {.networked = true, .writable = true, .listable = true},
                             "type:name: that table, asked through qmail-proxymap",
                             open_proxy};

}  // namespace qv
