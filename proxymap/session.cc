// SPDX-License-Identifier: 0BSD
#include "proxymap/session.h"

#include <string>

namespace qv::proxymap {

namespace {

std::string_view name_of(StreamEnd why) {
  switch (why) {
    case StreamEnd::peer_closed:
    case StreamEnd::closed:
    case StreamEnd::idle:
      return {};
    case StreamEnd::failed:
      return "connection lost";
    case StreamEnd::too_much_input:
      return "message too long";
    case StreamEnd::too_slow:
      return "too slow";
  }
  return {};
}

}  // namespace

Session::Session(Service& service, Stream& stream, const AttributeLimits& limits)
    : service_(service), stream_(stream), decoder_(limits) {
  client_.fd = stream.fd();
  client_.on_reply = [this](const Reply& reply) {
    send(reply);
    stream_.resume();
  };
  std::string greeting;
  append_greeting(greeting);
  stream_.write(greeting);
}

std::size_t Session::on_input(Stream& /*stream*/, std::string_view input) {
  std::string bad;
  const Frame frame = decoder_.scan(input);
  if (frame == Frame::partial) return 0;
  if (frame == Frame::malformed) {
    append_status(bad, Status::bad);
    refuse(bad, "not a message");
    return input.size();
  }
  Request request;
  const Parsed parsed = parse_request(decoder_, input, request);
  operation_ = request.operation;
  dialect_ = request.dialect;
  switch (parsed) {
    case Parsed::request:
      if (const auto reply = service_.ask(request, client_)) {
        send(*reply);
      } else {
        stream_.pause();
      }
      break;
    case Parsed::unknown:
      append_status(bad, Status::bad);
      refuse(bad, "unknown request");
      break;
    case Parsed::malformed:
      append_reply(bad, operation_, dialect_, {.status = Status::bad});
      refuse(bad, "malformed request");
      break;
  }
  const std::size_t size = decoder_.size();
  decoder_.reset();
  return size;
}

void Session::send(const Reply& reply) {
  std::string out;
  append_reply(out, operation_, dialect_, reply);
  stream_.write(out);
}

void Session::refuse(std::string_view reply, std::string_view what) {
  report_bad(what);
  stream_.write(reply);
  stream_.close();
}

void Session::report_bad(std::string_view what) {
  ++service_.counters().replies[Status::bad];
  service_.report({.kind = EventKind::bad_request, .detail = what, .client = client_.fd});
}

void Session::on_last_input(Stream& /*stream*/, std::string_view rest) {
  if (!rest.empty()) report_bad("unterminated message");
}

void Session::on_end(Stream& /*stream*/, StreamEnd why) {
  const std::string_view name = name_of(why);
  if (!name.empty()) service_.report({.kind = EventKind::dropped, .detail = name});
}

}  // namespace qv::proxymap
