// SPDX-License-Identifier: 0BSD
// cache/record.h - what the cache remembers about one address: bytes of a store to struct and back.
//
// Key: the address in lower case with every ':' replaced by '_'.  The key `@domain`, which is no
// address, has whether the next hop accepts every address of the domain.
//
// Record: `status:probed:updated:text`, decimal, times in seconds since 1970, 0 for none.  A record
// is damaged if both times are 0, if one of the first three fields is not a number, or if its
// status is unknown.  A damaged record counts as absent; its reader reports it.
//
// Pure.  Manual: qmail-probe(8).  Tests: tests/cache/record_test.cc, fuzz_probe_record.cc
#ifndef QV_CACHE_RECORD_H_
#define QV_CACHE_RECORD_H_

#include <cstdint>
#include <string>
#include <string_view>

namespace qv {

// The numbers of the verify protocol and of records.
enum class RecipientStatus : std::uint8_t {
  ok = 0,      // the next hop takes mail for it
  defer = 1,   // undecided
  bounce = 2,  // the next hop says there is no such recipient
  todo = 3,    // being probed
};

inline constexpr std::size_t kMaxCacheText = 400;  // bytes of text in a record
inline constexpr std::size_t kMaxCacheKey = 500;   // bytes; no SMTP command has a longer address

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

// Encodes the text as safe_text().  REQUIRES: one of the times is not 0, and none is negative.
[[nodiscard]] std::string encode_record(const CacheRecord& record);

// False, `out` untouched: no status has this number.
[[nodiscard]] bool status_from_number(std::uint64_t number, RecipientStatus& out);

// "ok", "defer", "bounce", "todo".
[[nodiscard]] std::string_view status_name(RecipientStatus status);

// The key of an address.  The second form overwrites `key` and so reuses its memory.
[[nodiscard]] std::string cache_key(std::string_view address);
void cache_key(std::string_view address, std::string& key);

// "@domain" as a key.
[[nodiscard]] std::string domain_key(std::string_view domain);

// The part after the last '@'; empty if there is none.
[[nodiscard]] std::string_view domain_of(std::string_view address);

// The first kMaxCacheText bytes, with '?' for every byte that is not printable ASCII: fit for a
// record, a log line and an SMTP reply.
[[nodiscard]] std::string safe_text(std::string_view text);

}  // namespace qv

#endif  // QV_CACHE_RECORD_H_
