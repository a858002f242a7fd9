// SPDX-License-Identifier: 0BSD
// wire/attributes.h - Postfix's attribute messages, bytes to attributes and back.
//
// A message is attributes, each `name NUL value NUL`, ended by one empty name, that is one more
// NUL.  The format carries no lengths; the limits here are ours.  Numbers are unsigned decimal.
//
// Pure: no I/O; decoder and reader do not allocate.
// Manual: qmail-proxymap-protocol(7).  Tests: tests/wire/attributes_test.cc, fuzz_attributes.cc
#ifndef QV_WIRE_ATTRIBUTES_H_
#define QV_WIRE_ATTRIBUTES_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/text.h"
#include "wire/frame.h"

namespace qv::wire {

struct Attribute {
  std::string_view name;
  std::string_view value;  // neither has a NUL
};

struct AttributeLimits {
  std::size_t message = 1u << 20;  // bytes of a whole message, including the last NUL
  std::size_t name = 64;           // bytes of a name
};

// Finds the end of a message in a stream.  Each byte is examined once, however small the pieces.
class AttributeDecoder {
 public:
  static constexpr std::size_t kMaxAttributes = 16;  // of one message; no request has more than 7

  explicit AttributeDecoder(AttributeLimits limits = {}) : limits_(limits) {}

  // `bytes` begins with the first byte of the message, including what earlier calls have seen.
  // whole: size() is set.  malformed: longer than a limit, more than kMaxAttributes, or no
  // attribute at all.
  [[nodiscard]] Frame scan(std::string_view bytes);

  // Bytes of the message, including its last NUL.  REQUIRES: scan() returned whole.
  [[nodiscard]] std::size_t size() const { return scanned_; }

  // Forgets the message: the next scan() begins a new one.
  void reset();

 private:
  AttributeLimits limits_;
  std::size_t scanned_ = 0;
  std::size_t begin_ = 0;    // of the string being scanned
  std::size_t strings_ = 0;  // names and values ended so far
  bool whole_ = false;
};

// Reads the attributes of one message in their fixed order.  After the first mismatch every further
// call fails too: a caller may read all of them and check done() once.
class AttributeReader {
 public:
  // REQUIRES: `decoder` returned whole for `bytes`, which outlive this object.
  AttributeReader(const AttributeDecoder& decoder, std::string_view bytes)
      : rest_(first_bytes(bytes, decoder.size() - 1)) {}

  // True if the next attribute has this name; it is not consumed.
  [[nodiscard]] bool next_is(std::string_view name) const;
  // Consumes the next attribute, which must have this name; empty text or 0 on failure.
  std::string_view text(std::string_view name);
  std::uint32_t number(std::string_view name);
  // True if nothing has failed and nothing is left.
  [[nodiscard]] bool done() const { return !failed_ && rest_.empty(); }
  [[nodiscard]] bool failed() const { return failed_; }

 private:
  std::string_view rest_;  // of the message, without its last NUL
  bool failed_ = false;
};

// Appends to a message.  The format cannot carry a NUL: a value is cut at its first one, so a
// caller that must not lose bytes checks before.  REQUIRES: `name` is not empty and contains no
// NUL.
void append_attribute(std::string& out, std::string_view name, std::string_view value);
void append_attribute(std::string& out, std::string_view name, std::uint32_t value);
// Ends the message.
void end_attributes(std::string& out);

}  // namespace qv::wire

#endif  // QV_WIRE_ATTRIBUTES_H_
