// SPDX-License-Identifier: 0BSD
#include "proxymap/session.h"

#include <string>

namespace qv::proxymap {

namespace {

// Sessions take turns in one thread: they share the buffer that a reply is written in.
std::string& scratch() {
  static std::string bytes;
  bytes.clear();
  return bytes;
}

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
  std::string& out = scratch();
  append_greeting(out);
  stream_.write(out);
}

Session::~Session() {
  if (ticket_ != 0) service_.cancel(ticket_);
}

std::size_t Session::on_input(Stream& /*stream*/, std::string_view input) {
  switch (decoder_.scan(input)) {
    case Frame::partial:
      return 0;
    case Frame::malformed: {
      std::string& out = scratch();
      append_status(out, Status::bad);
      refuse(out, "not a message");
      return input.size();
    }
    case Frame::whole:
      break;
  }
  Request request;
  std::string& out = scratch();
  switch (parse_request(decoder_, input, request)) {
    case Parsed::request:
      answer(request);
      break;
    case Parsed::unknown:
      append_status(out, Status::bad);
      refuse(out, "unknown request");
      break;
    case Parsed::malformed:
      append_reply(out, request.operation, request.dialect, {.status = Status::bad});
      refuse(out, "malformed request");
      break;
  }
  const std::size_t size = decoder_.size();
  decoder_.reset();
  return size;
}

void Session::answer(const Request& request) {
  Reply reply;
  operation_ = request.operation;
  dialect_ = request.dialect;
  if (service_.ask(request, *this, walk_, stream_.fd(), reply, ticket_) == Service::Done::later) {
    stream_.pause();
    return;
  }
  std::string& out = scratch();
  append_reply(out, operation_, dialect_, reply);
  stream_.write(out);
}

void Session::on_reply(const Reply& reply) {
  ticket_ = 0;
  std::string& out = scratch();
  append_reply(out, operation_, dialect_, reply);
  stream_.write(out);
  stream_.resume();
}

void Session::refuse(std::string_view reply, std::string_view what) {
  ++service_.counters().replies[Status::bad];
  service_.tell({.kind = EventKind::bad_request, .detail = what, .client = stream_.fd()});
  stream_.write(reply);
  stream_.close();
}

void Session::on_last_input(Stream& /*stream*/, std::string_view rest) {
  if (rest.empty()) return;
  ++service_.counters().replies[Status::bad];
  service_.tell(
      {.kind = EventKind::bad_request, .detail = "unterminated message", .client = stream_.fd()});
}

void Session::on_end(Stream& /*stream*/, StreamEnd why) {
  const std::string_view name = name_of(why);
  if (!name.empty()) service_.tell({.kind = EventKind::dropped, .detail = name});
}

}  // namespace qv::proxymap
