// SPDX-License-Identifier: 0BSD
#include "wire/proxymap.h"

#include <algorithm>
#include <iterator>

#include "core/text.h"

namespace qv::wire::proxymap {

namespace {

// In the order of the enumerators.
constexpr std::string_view kOperations[] = {"open", "lookup", "update", "delete", "sequence"};
constexpr std::string_view kStatuses[] = {"ok", "no-key", "retry", "bad", "deny", "config"};

bool has_key(Operation operation) {
  return operation == Operation::lookup || operation == Operation::update ||
         operation == Operation::erase;
}

// Whether a reply to this operation carries the flags.
bool replies_flags(Operation operation, Dialect dialect) {
  return dialect == Dialect::with_flags || operation == Operation::open;
}

void read_flags(AttributeReader& reader, Request& request) {
  if (!reader.next_is("instance_flags")) {
    request.instance_flags = request.flags = reader.number("flags");
    return;
  }
  request.dialect = Dialect::with_flags;
  request.instance_flags = reader.number("instance_flags");
  if (request.operation != Operation::open) request.flags = reader.number("flags");
}

}  // namespace

Parsed parse_request(const AttributeDecoder& decoder, std::string_view bytes, Request& request) {
  request = Request{};
  AttributeReader reader(decoder, bytes);
  const std::string_view name = reader.text("request");
  if (reader.failed()) return Parsed::malformed;
  const auto* const known = std::find(std::begin(kOperations), std::end(kOperations), name);
  if (known == std::end(kOperations)) return Parsed::unknown;
  request.operation = static_cast<Operation>(known - kOperations);
  request.table = strip_proxy(reader.text("table"));
  read_flags(reader, request);
  if (has_key(request.operation)) request.key = reader.text("key");
  if (request.operation == Operation::update) request.value = reader.text("value");
  std::uint32_t function = 0;
  if (request.operation == Operation::sequence) function = reader.number("function");
  request.next = function == 1;
  return reader.done() && function <= 1 ? Parsed::request : Parsed::malformed;
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
  if (has_key(request.operation)) append_attribute(out, "key", request.key);
  if (request.operation == Operation::update) append_attribute(out, "value", request.value);
  if (request.operation == Operation::sequence) {
    append_attribute(out, "function", request.next ? 1u : 0u);
  }
  end_attributes(out);
}

void append_greeting(std::string& out) {
  append_attribute(out, "protocol", kGreeting);
  end_attributes(out);
}

void append_reply(std::string& out, Operation operation, Dialect dialect, const Reply& reply) {
  append_attribute(out, "status", static_cast<std::uint32_t>(reply.status));
  if (replies_flags(operation, dialect)) append_attribute(out, "flags", reply.flags);
  const bool is_entry = operation == Operation::sequence;
  if (is_entry) append_attribute(out, "key", reply.key);
  if (is_entry || operation == Operation::lookup) append_attribute(out, "value", reply.value);
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
  const std::uint32_t status = reader.number("status");
  if (reader.failed() || status >= std::size(kStatuses)) return false;
  reply.status = static_cast<Status>(status);
  // A bare status can say what went wrong, never that all is well.
  if (reader.done()) {
    const bool enough = dialect == Dialect::plain &&
                        (operation == Operation::update || operation == Operation::erase);
    return enough || (reply.status != Status::ok && reply.status != Status::no_key);
  }
  if (replies_flags(operation, dialect)) reply.flags = reader.number("flags");
  const bool is_entry = operation == Operation::sequence;
  if (is_entry) reply.key = reader.text("key");
  if (is_entry || operation == Operation::lookup) reply.value = reader.text("value");
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
  return kOperations[static_cast<std::size_t>(operation)];
}

std::string_view status_name(Status status) { return kStatuses[static_cast<std::size_t>(status)]; }

}  // namespace qv::wire::proxymap
