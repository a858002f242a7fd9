// SPDX-License-Identifier: 0BSD
#include "maps/proxy_client.h"

#include <errno.h>

#include <string>
#include <utility>

#include "core/text.h"
#include "maps/attribute_framing.h"
#include "wire/proxymap.h"

namespace qv {

namespace {

Error nonsense() { return {Fault::protocol, EPROTO, "reply of the table proxy"}; }

Result<Answer> answer_of(proxymap::Status status) {
  switch (status) {
    case proxymap::Status::ok:
      return Answer::found;
    case proxymap::Status::no_key:
      return Answer::absent;
    case proxymap::Status::retry:
      return Error{Fault::retry, 0, "table behind the proxy"};
    case proxymap::Status::config:
      return Error{Fault::config, 0, "table behind the proxy"};
    case proxymap::Status::deny:
      return Error{Fault::config, 0, "not approved by the table proxy"};
    case proxymap::Status::bad:
      return nonsense();
  }
  return nonsense();
}

RequestClient::Sense take(const Result<std::string_view>& message,
                          const ProxyClient::Callback& callback) {
  if (!message.ok()) {
    const Error& error = message.error();
    callback(error.fault == Fault::protocol ? nonsense()
                                            : Error{error.fault, error.errnum, "table proxy"},
             {});
    return RequestClient::Sense::nonsense;
  }
  AttributeDecoder decoder;
  proxymap::Reply reply;
  const bool good = decoder.scan(message.value()) == Frame::whole &&
                    proxymap::parse_reply(decoder, message.value(), proxymap::Operation::lookup,
                                          proxymap::Dialect::plain, reply);
  callback(good ? answer_of(reply.status) : nonsense(), reply.value);
  return good ? RequestClient::Sense::good : RequestClient::Sense::nonsense;
}

}  // namespace

ProxyClient::ProxyClient(Loop& loop, StreamAddress address, const ProxyClientLimits& limits)
    : loop_(loop),
      limits_(limits),
      client_(loop, std::move(address),
              {.connections = limits.connections, .queue = limits.queue, .idle_us = limits.idle_us},
              AttributeFraming::of(proxymap::kGreeting)) {}

void ProxyClient::lookup(std::string_view table, const MapOptions& options, std::string_view key,
                         Callback callback) {
  if (find_byte(key, '\0') != key.size()) return tell_absent(std::move(callback));
  proxymap::Request request;
  request.operation = proxymap::Operation::lookup;
  request.table = proxymap::strip_proxy(table);
  request.key = key;
  if (options.no_substitution) request.flags |= proxymap::flag::kNoSubstitution;
  if (options.fold_keys) request.flags |= proxymap::flag::kFoldFixed;
  std::string bytes;
  proxymap::append_request(bytes, request);
  client_.ask(std::move(bytes), loop_.now_us() + limits_.time_us,
              [callback = std::move(callback)](const Result<std::string_view>& message) {
                return take(message, callback);
              });
}

// No table behind the protocol can hold a key with a NUL in it.
void ProxyClient::tell_absent(Callback callback) {
  absent_.push_back(std::move(callback));
  if (turn_) return;
  turn_ = loop_.after(0, [this] {
    turn_.reset();
    for (const Callback& each : std::exchange(absent_, {})) each(Answer::absent, {});
  });
}

}  // namespace qv
