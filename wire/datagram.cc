// SPDX-License-Identifier: 0BSD
#include "wire/datagram.h"

#include <string.h>

#include <algorithm>

#include "core/check.h"
#include "core/text.h"

namespace qv::wire::datagram {

namespace {

// Appends to a buffer, never past its end.
class Writer {
 public:
  explicit Writer(std::span<char> out) : out_(out) {}

  [[nodiscard]] std::size_t used() const { return used_; }
  [[nodiscard]] bool fits(std::size_t n) const { return n <= out_.size() - used_; }

  void put(char c) {
    QV_CHECK(fits(1));
    out_[used_++] = c;
  }
  void put(std::string_view s) {
    QV_CHECK(fits(s.size()));
    if (!s.empty()) memcpy(out_.data() + used_, s.data(), s.size());
    used_ += s.size();
  }
  void put_field(std::string_view name, std::string_view value) {
    put(name);
    put(value);
    put('\0');
  }

 private:
  std::span<char> out_;
  std::size_t used_ = 0;
};

std::string_view until_nul(std::string_view s) { return first_bytes(s, find_byte(s, '\0')); }

// Consumes the next field with its NUL; false where no whole one is left.
bool next_field(std::string_view& rest, std::string_view& field) {
  const std::size_t end = find_byte(rest, '\0');
  if (end == rest.size()) return false;
  field = first_bytes(rest, end);
  rest = after_bytes(rest, end + 1);
  return true;
}

// If `field` begins with `name` (which ends in '='), sets `value` to the rest, unless it is set.
// The first letter rules most fields out without a call.
void store_field(std::string_view field, std::string_view name, std::string_view& value) {
  if (field.empty() || field.front() != name.front() || value.data() != nullptr) return;
  if (starts_with(field, name)) value = after_bytes(field, name.size());
}

bool is_why(std::string_view s) {
  return !s.empty() && s.size() <= kMaxWhy &&
         std::all_of(s.begin(), s.end(), [](char c) { return (c >= 'a' && c <= 'z') || c == '-'; });
}

bool is_text(std::string_view s) {
  return s.size() <= kMaxText && std::all_of(s.begin(), s.end(), is_printable);
}

}  // namespace

bool is_id(std::string_view s) {
  if (s.size() < kMinId || s.size() > kMaxId) return false;
  bool good = true;  // no early exit: a short loop without a branch to mispredict
  for (const char c : s) good &= is_digit(c) || (c >= 'a' && c <= 'f');
  return good;
}

Parsed parse_query(std::string_view bytes, bool truncated, Query& query) {
  query = Query{};
  std::string_view rest = bytes;
  query.address = take_until(rest, '\0');

  std::string_view id;
  std::string_view field;
  const bool extended = starts_with(rest, std::string_view("v=2\0", 4));
  while (extended && next_field(rest, field)) {
    store_field(field, "id=", id);
    store_field(field, "client=", query.client);
    store_field(field, "helo=", query.helo);
    store_field(field, "sender=", query.sender);
  }
  if (is_id(id)) query.id = id;

  if (truncated || bytes.size() > kMaxDatagram || query.address.size() > kMaxAddress) {
    query.address = first_bytes(query.address, kMaxAddress);
    return Parsed::too_long;
  }
  return query.id.empty() ? Parsed::legacy : Parsed::extended;
}

std::size_t encode_query(const Query& query, std::span<char> out) {
  QV_CHECK(out.size() >= kMaxDatagram);
  if (query.address.size() > kMaxAddress || !is_id(query.id) ||
      find_byte(query.address, '\0') != query.address.size()) {
    return 0;
  }
  Writer writer(out.first(kMaxDatagram));
  writer.put_field(query.address, {});
  writer.put_field("v=2", {});
  writer.put_field("id=", query.id);
  const auto put_optional = [&writer](std::string_view name, std::string_view value) {
    value = until_nul(value);
    if (!value.empty() && writer.fits(name.size() + value.size() + 1)) {
      writer.put_field(name, value);
    }
  };
  put_optional("client=", query.client);
  put_optional("helo=", query.helo);
  put_optional("sender=", query.sender);
  return writer.used();
}

ReplyForm parse_reply(std::string_view bytes, Reply& reply) {
  reply = Reply{};
  if (bytes.empty()) return ReplyForm::malformed;
  const auto first = static_cast<std::uint8_t>(bytes.front());
  if ((first & 15u) > 2) return ReplyForm::malformed;
  reply.result = static_cast<Result>(first & 15u);
  reply.position = static_cast<std::uint8_t>(first >> 4);

  std::string_view rest = after_bytes(bytes, 1);
  const bool legacy = find_byte(rest, '\0') == rest.size();
  reply.user = take_until(rest, '\0');
  if (reply.user.size() > kMaxUser) return ReplyForm::malformed;
  if (legacy) return ReplyForm::legacy;

  if (!starts_with(rest, std::string_view("v=2\0", 4))) return ReplyForm::malformed;
  std::string_view field;
  while (next_field(rest, field)) {
    store_field(field, "id=", reply.id);
    store_field(field, "why=", reply.why);
    store_field(field, "text=", reply.text);
  }
  const bool whole = rest.empty() && is_id(reply.id) && is_why(reply.why) && is_text(reply.text);
  return whole ? ReplyForm::extended : ReplyForm::malformed;
}

std::size_t encode_reply(const Reply& reply, std::span<char> out) {
  QV_CHECK(out.size() >= kMaxDatagram);
  QV_CHECK(reply.position <= 15);
  Writer writer(out);
  writer.put(static_cast<char>(static_cast<std::uint8_t>(reply.position << 4) |
                               static_cast<std::uint8_t>(reply.result)));
  writer.put(first_bytes(until_nul(reply.user), kMaxUser));
  if (reply.id.empty()) return writer.used();

  QV_CHECK(reply.id.size() <= kMaxId && reply.why.size() <= kMaxWhy);
  writer.put('\0');
  writer.put_field("v=2", {});
  writer.put_field("id=", reply.id);
  writer.put_field("why=", reply.why);
  if (!reply.text.empty()) {
    writer.put("text=");
    for (const char c : first_bytes(reply.text, kMaxText)) writer.put(is_printable(c) ? c : '?');
    writer.put('\0');
  }
  return writer.used();
}

}  // namespace qv::wire::datagram
