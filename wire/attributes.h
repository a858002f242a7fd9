// SPDX-License-Identifier: 0BSD
// wire/attributes.h - Postfix's attribute messages, bytes to attributes and back.
//
// A message is attributes, each `name NUL value NUL`, ended by one empty name, that is one more
// NUL.  The format knows no lengths; the limits here are ours.  Numbers are unsigned decimal.
//
// AttributeDecoder is shown the unconsumed bytes of a stream each time more have come, and looks
// at each byte once, however small the pieces are.
//
// Pure: no I/O; the decoder does not allocate.
// Manual: qmail-proxymap-protocol(7).  Tests: tests/wire/attributes_test.cc, fuzz_attributes.cc
#ifndef QV_WIRE_ATTRIBUTES_H_
#define QV_WIRE_ATTRIBUTES_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "wire/frame.h"

namespace qv {

struct Attribute {
  std::string_view name;
  std::string_view value;  // no NUL in either
};

struct AttributeLimits {
  std::size_t message = 1u << 20;  // bytes of a whole message, the last NUL included
  std::size_t name = 64;           // bytes of a name
};

class AttributeDecoder {
 public:
  static constexpr std::size_t kMaxAttributes = 16;  // of one message; no request has more than 7

  explicit AttributeDecoder(AttributeLimits limits = {}) : limits_(limits) {}

  // Looks at `bytes`: everything from the first byte of the message on, what it was shown before
  // first.  whole: size() and attribute() may be used until the bytes go away.  malformed: longer
  // than a limit, more than kMaxAttributes, or no attribute at all.
  [[nodiscard]] Frame scan(std::string_view bytes);

  // Bytes of the whole message, its last NUL included.  REQUIRES: scan() said whole.
  [[nodiscard]] std::size_t size() const { return scanned_; }
  // Number of attributes.  REQUIRES: as size().
  [[nodiscard]] std::size_t count() const { return strings_ / 2; }
  // The attribute at `index` < count(), pointing into `bytes` (the ones scan() saw).
  [[nodiscard]] Attribute attribute(std::string_view bytes, std::size_t index) const;

  // Forgets the message: the next scan() begins a new one.
  void reset();

 private:
  AttributeLimits limits_;
  std::size_t scanned_ = 0;  // bytes looked at
  std::size_t begin_ = 0;    // of the string being scanned
  std::size_t strings_ = 0;  // names and values ended so far
  bool whole_ = false;
  std::array<std::uint32_t, kMaxAttributes * 2> ends_{};  // where the NUL of each stands
};

// Reads the attributes of one message in their fixed order.  After the first thing that is not as
// expected every further call fails too, so that a caller may ask for all of them and look at
// done() once.
class AttributeReader {
 public:
  // REQUIRES: `decoder` said whole about `bytes`; both outlive this object.
  AttributeReader(const AttributeDecoder& decoder, std::string_view bytes)
      : decoder_(decoder), bytes_(bytes) {}

  // True if the next attribute has this name; nothing is taken.
  [[nodiscard]] bool next_is(std::string_view name) const;
  // Takes the next attribute, which must have this name; empty text or 0 on failure.
  std::string_view text(std::string_view name);
  std::uint32_t number(std::string_view name);
  // True if nothing has failed and nothing is left.
  [[nodiscard]] bool done() const { return !failed_ && next_ == decoder_.count(); }
  [[nodiscard]] bool failed() const { return failed_; }

 private:
  const AttributeDecoder& decoder_;
  std::string_view bytes_;
  std::size_t next_ = 0;
  bool failed_ = false;
};

// Appends to a message.  Bytes of a value from its first NUL on cannot be carried and are left out:
// who must not lose them looks first.  REQUIRES: `name` is not empty and holds no NUL.
void append_attribute(std::string& out, std::string_view name, std::string_view value);
void append_attribute(std::string& out, std::string_view name, std::uint32_t value);
// Ends the message.
void end_attributes(std::string& out);

}  // namespace qv

#endif  // QV_WIRE_ATTRIBUTES_H_
