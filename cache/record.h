// SPDX-License-Identifier: 0BSD
// cache/record.h - what is remembered about one address: bytes of a store to struct and back.
//
// Key: the address in lower case with every ':' replaced by '_'.  Record:
// `status:probed:updated:text`, decimal, times in seconds since 1970, 0 for none.  A record with
// both times 0, anything but digits in the first three fields or an unknown status is damaged, and
// counts as absent; who reads it says so.  What a next hop accepts as a whole is remembered under
// the key `@domain`, which is no address.
//
// Pure.  Manual: qmail-probe(8).  Tests: tests/cache/record_test.cc, fuzz_probe_record.cc
#ifndef QV_CACHE_RECORD_H_
#define QV_CACHE_RECORD_H_

#include <cstdint>
#include <string>
#include <string_view>

namespace qv {

// As the verify protocol and the record number them.
enum class RecipientStatus : std::uint8_t {
  ok = 0,      // the next hop takes mail for it
  defer = 1,   // it could not be found out
  bounce = 2,  // the next hop says there is no such recipient
  todo = 3,    // being asked
};

inline constexpr std::size_t kMaxCacheText = 400;  // bytes of text in a record
inline constexpr std::size_t kMaxCacheKey = 500;   // bytes; an SMTP command takes no longer address

struct CacheRecord {
  RecipientStatus status = RecipientStatus::todo;
  std::int64_t probed = 0;   // when a probe was sent whose outcome is not known; 0: none is out
  std::int64_t updated = 0;  // when `status` became known; 0: never
  std::string text;          // what the next hop said, printable ASCII

  friend bool operator==(const CacheRecord&, const CacheRecord&) = default;
};

enum class RecordForm : std::uint8_t { whole, damaged };

// damaged: `out` is untouched.
[[nodiscard]] RecordForm parse_record(std::string_view bytes, CacheRecord& out);

// The text is made safe_text().  REQUIRES: not both times are 0, and none is negative.
[[nodiscard]] std::string encode_record(const CacheRecord& record);

// Postfix numbers 0 to 3; false, `out` untouched, on anything else.
[[nodiscard]] bool status_from_number(std::uint64_t number, RecipientStatus& out);

// "ok", "defer", "bounce", "todo".
[[nodiscard]] std::string_view status_name(RecipientStatus status);

// The key of an address; the second form writes it over `key`, whose memory is used again.
[[nodiscard]] std::string cache_key(std::string_view address);
void cache_key(std::string_view address, std::string& key);

// The key under which a domain's accept-all state is kept.
[[nodiscard]] std::string domain_key(std::string_view domain);

// What stands after the last '@', empty where there is none.
[[nodiscard]] std::string_view domain_of(std::string_view address);

// Other people's text, fit for a record, a log line and an SMTP reply: bytes that are not printable
// ASCII become '?', at most `limit` bytes.
[[nodiscard]] std::string safe_text(std::string_view text, std::size_t limit = kMaxCacheText);

}  // namespace qv

#endif  // QV_CACHE_RECORD_H_
