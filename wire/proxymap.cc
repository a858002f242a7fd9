// SPDX-License-Identifier: 0BSD
#include "wire/proxymap.h"

#include "core/text.h"

namespace qv::proxymap {

namespace {

constexpr Operation kOperations[] = {Operation::open, Operation::lookup, Operation::update,
                                     Operation::erase, Operation::sequence};

bool find_operation(std::string_view name, Operation& operation) {
  for (const Operation candidate : kOperations) {
    if (operation_name(candidate) != name) continue;
    operation = candidate;
    return true;
  }
  return false;
}

bool to_status(std::uint32_t number, Status& status) {
  if (number > static_cast<std::uint32_t>(Status::config)) return false;
  status = static_cast<Status>(number);
  return true;
}

void read_flags(AttributeReader& reader, Request& request) {
  request.dialect = reader.next_is("instance_flags") ? Dialect::with_flags : Dialect::plain;
  if (request.dialect == Dialect::with_flags) {
    request.instance_flags = reader.number("instance_flags");
    if (request.operation != Operation::open) request.flags = reader.number("flags");
    return;
  }
  request.flags = reader.number("flags");
  request.instance_flags = request.flags;
}

void read_function(AttributeReader& reader, Request& request, bool& known) {
  const std::uint32_t function = reader.number("function");
  known = function <= 1;
  request.next = function == 1;
}

}  // namespace

Parsed parse_request(const AttributeDecoder& decoder, std::string_view bytes, Request& request) {
  request = Request{};
  AttributeReader reader(decoder, bytes);
  const std::string_view name = reader.text("request");
  if (reader.failed()) return Parsed::malformed;
  if (!find_operation(name, request.operation)) return Parsed::unknown;
  request.table = strip_proxy(reader.text("table"));
  read_flags(reader, request);
  bool known = true;
  switch (request.operation) {
    case Operation::open:
      break;
    case Operation::lookup:
    case Operation::erase:
      request.key = reader.text("key");
      break;
    case Operation::update:
      request.key = reader.text("key");
      request.value = reader.text("value");
      break;
    case Operation::sequence:
      read_function(reader, request, known);
      break;
  }
  return reader.done() && known ? Parsed::request : Parsed::malformed;
}

void append_request(std::string& out, const Request& request) {
  append_attribute(out, "request", operation_name(request.operation));
  append_attribute(out, "table", request.table);
  if (request.dialect == Dialect::with_flags) {
    append_attribute(out, "instance_flags", request.instance_flags);
  }
  if (request.dialect == Dialect::plain || request.operation != Operation::open) {
    append_attribute(out, "flags", request.flags);
  }
  switch (request.operation) {
    case Operation::open:
      break;
    case Operation::lookup:
    case Operation::erase:
      append_attribute(out, "key", request.key);
      break;
    case Operation::update:
      append_attribute(out, "key", request.key);
      append_attribute(out, "value", request.value);
      break;
    case Operation::sequence:
      append_attribute(out, "function", request.next ? 1u : 0u);
      break;
  }
  end_attributes(out);
}

void append_greeting(std::string& out) {
  append_attribute(out, "protocol", kGreeting);
  end_attributes(out);
}

void append_reply(std::string& out, Operation operation, Dialect dialect, const Reply& reply) {
  append_attribute(out, "status", static_cast<std::uint32_t>(reply.status));
  if (dialect == Dialect::with_flags || operation == Operation::open) {
    append_attribute(out, "flags", reply.flags);
  }
  switch (operation) {
    case Operation::open:
    case Operation::update:
    case Operation::erase:
      break;
    case Operation::lookup:
      append_attribute(out, "value", reply.value);
      break;
    case Operation::sequence:
      append_attribute(out, "key", reply.key);
      append_attribute(out, "value", reply.value);
      break;
  }
  end_attributes(out);
}

void append_status(std::string& out, Status status) {
  append_attribute(out, "status", static_cast<std::uint32_t>(status));
  end_attributes(out);
}

bool parse_reply(const AttributeDecoder& decoder, std::string_view bytes, Operation operation,
                 Dialect dialect, Reply& reply) {
  reply = Reply{};
  AttributeReader reader(decoder, bytes);
  if (!to_status(reader.number("status"), reply.status) || reader.failed()) return false;
  // A bare status can say what went wrong, never that all is well.
  if (reader.done()) {
    const bool enough = dialect == Dialect::plain &&
                        (operation == Operation::update || operation == Operation::erase);
    return enough || (reply.status != Status::ok && reply.status != Status::no_key);
  }
  if (dialect == Dialect::with_flags || operation == Operation::open) {
    reply.flags = reader.number("flags");
  }
  if (operation == Operation::sequence) reply.key = reader.text("key");
  if (operation == Operation::sequence || operation == Operation::lookup) {
    reply.value = reader.text("value");
  }
  return reader.done();
}

bool is_greeting(const AttributeDecoder& decoder, std::string_view bytes) {
  AttributeReader reader(decoder, bytes);
  return reader.text("protocol") == kGreeting && reader.done();
}

std::string_view strip_proxy(std::string_view table) {
  constexpr std::string_view kPrefix = "proxy:";
  while (starts_with(table, kPrefix)) table = after_bytes(table, kPrefix.size());
  return table;
}

std::string_view operation_name(Operation operation) {
  switch (operation) {
    case Operation::open:
      return "open";
    case Operation::lookup:
      return "lookup";
    case Operation::update:
      return "update";
    case Operation::erase:
      return "delete";
    case Operation::sequence:
      return "sequence";
  }
  return "";
}

std::string_view status_name(Status status) {
  switch (status) {
    case Status::ok:
      return "ok";
    case Status::no_key:
      return "no-key";
    case Status::retry:
      return "retry";
    case Status::bad:
      return "bad";
    case Status::deny:
      return "deny";
    case Status::config:
      return "config";
  }
  return "";
}

}  // namespace qv::proxymap
