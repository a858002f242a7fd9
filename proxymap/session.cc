// SPDX-License-Identifier: 0BSD
#include "proxymap/session.h"

#include <string>

namespace qv::proxymap {

namespace {

std::string_view name_of(event::StreamEnd why) {
  switch (why) {
    case event::StreamEnd::peer_closed:
    case event::StreamEnd::closed:
    case event::StreamEnd::idle:
      return {};
    case event::StreamEnd::failed:
      return "connection lost";
    case event::StreamEnd::too_much_input:
      return "message too long";
    case event::StreamEnd::too_slow:
      return "too slow";
  }
  return {};
}

}  // namespace

Session::Session(Service& service, event::Stream& stream, const wire::AttributeLimits& limits)
    : service_(service), stream_(stream), decoder_(limits) {
  client_.fd = stream.fd();
  client_.on_reply = [this](const wire::proxymap::Reply& reply) {
    send(reply);
    stream_.resume();
  };
  std::string greeting;
  wire::proxymap::append_greeting(greeting);
  stream_.write(greeting);
}

std::size_t Session::on_input(event::Stream& /*stream*/, std::string_view input) {
  std::string bad;
  const wire::Frame frame = decoder_.scan(input);
  if (frame == wire::Frame::partial) return 0;
  if (frame == wire::Frame::malformed) {
    wire::proxymap::append_status(bad, wire::proxymap::Status::bad);
    refuse(bad, "not a message");
    return input.size();
  }
  wire::proxymap::Request request;
  const wire::proxymap::Parsed parsed = wire::proxymap::parse_request(decoder_, input, request);
  operation_ = request.operation;
  dialect_ = request.dialect;
  switch (parsed) {
    case wire::proxymap::Parsed::request:
      if (const auto reply = service_.ask(request, client_)) {
        send(*reply);
      } else {
        stream_.pause();
      }
      break;
    case wire::proxymap::Parsed::unknown:
      wire::proxymap::append_status(bad, wire::proxymap::Status::bad);
      refuse(bad, "unknown request");
      break;
    case wire::proxymap::Parsed::malformed:
      wire::proxymap::append_reply(bad, operation_, dialect_,
                                   {.status = wire::proxymap::Status::bad});
      refuse(bad, "malformed request");
      break;
  }
  const std::size_t size = decoder_.size();
  decoder_.reset();
  return size;
}

void Session::send(const wire::proxymap::Reply& reply) {
  std::string out;
  wire::proxymap::append_reply(out, operation_, dialect_, reply);
  stream_.write(out);
}

void Session::refuse(std::string_view reply, std::string_view what) {
  report_bad(what);
  stream_.write(reply);
  stream_.close();
}

void Session::report_bad(std::string_view what) {
  ++service_.counters().replies[wire::proxymap::Status::bad];
  service_.report({.kind = EventKind::bad_request, .detail = what, .client = client_.fd});
}

void Session::on_last_input(event::Stream& /*stream*/, std::string_view rest) {
  if (!rest.empty()) report_bad("unterminated message");
}

void Session::on_end(event::Stream& /*stream*/, event::StreamEnd why) {
  const std::string_view name = name_of(why);
  if (!name.empty()) service_.report({.kind = EventKind::dropped, .detail = name});
}

}  // namespace qv::proxymap
