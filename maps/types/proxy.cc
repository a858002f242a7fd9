// SPDX-License-Identifier: 0BSD
// proxy:type:name - the table type:name, asked through qmail-proxymap (or Postfix's proxymap).
//
// Blocking: for tools.  A daemon asks through maps/proxy_client.h, which does not wait.  The
// connection is made when the table is opened, kept, and made anew when it is found broken; a proxy
// that is not there is a table that cannot be asked now.
// Manual: qmail-map-net(5).  Tests: tests/maps/contract_proxy.cc
#include <errno.h>

#include "core/text.h"
#include "maps/map.h"
#include "maps/open.h"
#include "maps/spec.h"
#include "maps/types/stream_client.h"
#include "wire/proxymap.h"

namespace qv {

namespace {

using proxymap::Operation;
using proxymap::Reply;
using proxymap::Request;
using proxymap::Status;

constexpr int kTimeoutMs = 10'000;

class ProxyMap final : public Map {
 public:
  ProxyMap(std::string table, std::string address, const MapOptions& options)
      : table_(std::move(table)),
        address_(std::move(address)),
        for_update_(options.for_update),
        flags_(options.no_substitution ? proxymap::flag::kNoSubstitution : 0) {}

  // Has the proxy open the table, so that a name that is not approved shows at once.
  Result<void> open() {
    QV_TRY(const Answer ignored, ask(Operation::open, {}, {}, false));
    static_cast<void>(ignored);
    pattern_ = (reply_flags_ & proxymap::flag::kPattern) != 0;
    return {};
  }

  Result<Answer> lookup(std::string_view key, std::string& value) override {
    QV_TRY(const Answer answer, ask(Operation::lookup, key, {}, false));
    if (answer == Answer::found) value = std::move(value_);
    return answer;
  }
  Result<Answer> update(std::string_view key, std::string_view value) override {
    if (!for_update_) return Map::update(key, value);
    // The protocol does not tell whether there was a value.
    QV_TRY(const Answer was, ask(Operation::lookup, key, {}, false));
    QV_TRY(const Answer done, ask(Operation::update, key, value, false));
    static_cast<void>(done);
    return was;
  }
  Result<Answer> erase(std::string_view key) override {
    if (!for_update_) return Map::erase(key);
    return ask(Operation::erase, key, {}, false);
  }
  Result<Answer> sequence(Step step, std::string& key, std::string& value) override {
    QV_TRY(const Answer answer, ask(Operation::sequence, {}, {}, step == Step::next));
    if (answer == Answer::found) {
      key = std::move(key_);
      value = std::move(value_);
    }
    return answer;
  }
  bool is_pattern() const override { return pattern_; }
  std::string detail() const override { return detail_; }

 private:
  Result<Answer> ask(Operation operation, std::string_view key, std::string_view value, bool next) {
    detail_.clear();
    // The protocol has no way to carry it, and no table behind it that could hold it.
    if (find_byte(key, '\0') != key.size()) return Answer::absent;
    if (find_byte(value, '\0') != value.size()) {
      return Error{Fault::denied, EINVAL, "a NUL cannot be sent to the proxy"};
    }
    std::string bytes;
    Request request;
    request.operation = operation;
    request.table = table_;
    request.flags = flags_;
    request.key = key;
    request.value = value;
    request.next = next;
    proxymap::append_request(bytes, request);
    // A proxy closes connections that are idle, and all of them when it is started anew.  A walk
    // goes on only where it was begun.
    const bool again = connected_ && !next;
    Result<Status> status = exchange(operation, bytes);
    if (!status.ok() && again) status = exchange(operation, bytes);
    if (!status.ok()) return status.error();
    return answer_of(status.value());
  }

  Result<Status> exchange(Operation operation, const std::string& bytes) {
    Result<void> done;
    if (!connected_) done = connect();
    Status status = Status::retry;
    bool understood = true;
    if (done.ok()) {
      done = client_.exchange(bytes, [&](std::string_view arrived, std::size_t& size) {
        AttributeDecoder decoder;
        const Frame frame = decoder.scan(arrived);
        if (frame != Frame::whole) return frame;
        size = decoder.size();
        understood = keep(decoder, arrived, operation, status);
        return understood ? Frame::whole : Frame::malformed;
      });
    }
    connected_ = done.ok();
    if (done.ok()) return status;
    client_.disconnect();
    if (detail_.empty()) {
      detail_ = "table proxy at " + address_ + ": " + describe_error(done.error(), {});
    }
    return done.error();
  }

  bool keep(const AttributeDecoder& decoder, std::string_view bytes, Operation operation,
            Status& status) {
    Reply reply;
    if (!proxymap::parse_reply(decoder, bytes, operation, proxymap::Dialect::plain, reply)) {
      return false;
    }
    status = reply.status;
    reply_flags_ = reply.flags;
    key_ = reply.key;
    value_ = reply.value;
    return true;
  }

  Result<void> connect() {
    QV_TRY_VOID(client_.connect(address_, detail_));
    return client_.exchange({}, [](std::string_view arrived, std::size_t& size) {
      AttributeDecoder decoder;
      const Frame frame = decoder.scan(arrived);
      if (frame != Frame::whole) return frame;
      size = decoder.size();
      return proxymap::is_greeting(decoder, arrived) ? Frame::whole : Frame::malformed;
    });
  }

  Result<Answer> answer_of(Status status) {
    switch (status) {
      case Status::ok:
        return Answer::found;
      case Status::no_key:
        return Answer::absent;
      case Status::retry:
        detail_ = "table proxy: " + table_ + " cannot be asked now; its log says why";
        return Error{Fault::retry, 0, "table behind the proxy"};
      case Status::config:
        detail_ = "table proxy: " + table_ + " is not as it should be; its log says why";
        return Error{Fault::config, 0, "table behind the proxy"};
      case Status::deny:
        detail_ = "table proxy: " + table_ + " is not approved; its log says where to approve it";
        // Not this request's fault: mail must wait until the operator has approved the table.
        return Error{Fault::config, 0, "not approved by the proxy"};
      case Status::bad:
        detail_ = "table proxy at " + address_ + " does not understand the request";
        return Error{Fault::protocol, 0, "request to the proxy"};
    }
    return Error{Fault::protocol, 0, "reply of the proxy"};
  }

  std::string table_;
  std::string address_;
  bool for_update_;
  std::uint32_t flags_;
  bool pattern_ = false;
  bool connected_ = false;
  StreamClient client_{kTimeoutMs};
  std::uint32_t reply_flags_ = 0;
  std::string key_;
  std::string value_;
  std::string detail_;
};

Result<std::unique_ptr<Map>> open_proxy(const MapSpec& spec, std::string& detail) {
  const std::string_view table = proxymap::strip_proxy(strip_braces(spec.name));
  std::string_view type;
  std::string_view name;
  if (!split_type(table, type, name)) {
    detail = "proxy:" + spec.name + ": write proxy:type:name";
    return Error{Fault::config, 0, "proxied table"};
  }
  auto map = std::make_unique<ProxyMap>(std::string(table), proxy_address(spec.options.for_update),
                                        spec.options);
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
