// SPDX-License-Identifier: 0BSD
#include "maps/proxy_client.h"

#include <errno.h>

#include <string>
#include <utility>

#include "core/text.h"
#include "maps/attribute_framing.h"

namespace qv::maps {

namespace {

Error nonsense() { return {Fault::protocol, EPROTO, "reply of the table proxy"}; }

event::RequestClient::Sense deliver(const Result<std::string_view>& message,
                                    const ProxyClient::Callback& callback) {
  if (!message.ok()) {
    const Error& error = message.error();
    const bool is_nonsense = error.fault == Fault::protocol;
    callback(is_nonsense ? nonsense() : Error{error.fault, error.errnum, "table proxy"}, {});
    return event::RequestClient::Sense::nonsense;
  }
  wire::AttributeDecoder decoder;
  wire::proxymap::Reply reply;
  const bool good =
      decoder.scan(message.value()) == wire::Frame::whole &&
      wire::proxymap::parse_reply(decoder, message.value(), wire::proxymap::Operation::lookup,
                                  wire::proxymap::Dialect::plain, reply);
  callback(good ? answer_of(reply.status) : nonsense(), reply.value);
  return good ? event::RequestClient::Sense::good : event::RequestClient::Sense::nonsense;
}

}  // namespace

Result<Answer> answer_of(wire::proxymap::Status status) {
  switch (status) {
    case wire::proxymap::Status::ok:
      return Answer::found;
    case wire::proxymap::Status::no_key:
      return Answer::absent;
    case wire::proxymap::Status::retry:
      return Error{Fault::retry, 0, "the proxy cannot ask the table now"};
    case wire::proxymap::Status::config:
      return Error{Fault::config, 0, "the proxy finds a configuration error"};
    case wire::proxymap::Status::deny:
      // Not this request's fault: mail must wait until the operator has approved the table.
      return Error{Fault::config, 0, "the proxy has not approved the table"};
    case wire::proxymap::Status::bad:
      break;
  }
  return Error{Fault::protocol, 0, "the proxy does not understand the request"};
}

ProxyClient::ProxyClient(event::Loop& loop, event::StreamAddress address,
                         const ProxyClientLimits& limits)
    : loop_(loop),
      time_us_(limits.time_us),
      client_(loop, std::move(address), limits, attribute_framing(wire::proxymap::kGreeting)) {}

void ProxyClient::lookup(std::string_view table, const MapOptions& options, std::string_view key,
                         Callback callback) {
  // No table behind the protocol can hold a key with a NUL in it.
  if (find_byte(key, '\0') != key.size()) {
    absent_.push_back(std::move(callback));
    if (turn_) return;
    turn_ = loop_.after(0, [this] {
      turn_.reset();
      for (const Callback& each : std::exchange(absent_, {})) each(Answer::absent, {});
    });
    return;
  }
  wire::proxymap::Request request{.operation = wire::proxymap::Operation::lookup,
                                  .table = wire::proxymap::strip_proxy(table),
                                  .key = key};
  if (options.no_substitution) request.flags |= wire::proxymap::flag::kNoSubstitution;
  if (options.fold_keys) request.flags |= wire::proxymap::flag::kFoldFixed;
  std::string bytes;
  wire::proxymap::append_request(bytes, request);
  client_.ask(std::move(bytes), loop_.now_us() + time_us_,
              [callback = std::move(callback)](const Result<std::string_view>& message) {
                return deliver(message, callback);
              });
}

}  // namespace qv::maps
