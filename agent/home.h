// SPDX-License-Identifier: 0BSD
// agent/home.h - look-ups in a home directory, with the caller's rights.
//
// Called in an agent (agent/agent.h), which is the owner.  Blocking: on the file system; the pool
// kills an overdue agent.  Only an owner's tables are interpreted, and the answer says no more of
// them than which key is there.
//
// Threads: none.  Tests: tests/agent/home_test.cc, records_test.cc
#ifndef QV_AGENT_HOME_H_
#define QV_AGENT_HOME_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "agent/request.h"
#include "core/fd.h"

namespace qv::agent {

// A response, and the memory file that goes with it.
struct Finding {
  // NOLINTBEGIN(google-explicit-constructor)
  Finding(Outcome outcome = Outcome::absent) { response.outcome = outcome; }
  Finding(const Error& error);
  // NOLINTEND(google-explicit-constructor)

  Response response;
  Fd file;
};

// What a home's index holds, so that most look-ups need not touch it.
struct IndexSummary {
  std::uint64_t count = 0;            // names
  std::uint64_t longest = 0;          // bytes of the longest name
  std::uint64_t longest_default = 0;  // bytes of the longest name that ends in "default"
};

// As it lies in memory.  Fault::protocol for a value of another size.
[[nodiscard]] std::string encode_summary(const IndexSummary& summary);
[[nodiscard]] Result<IndexSummary> decode_summary(std::string_view value);

// Beyond these a directory counts as too large to list.
struct ListLimits {
  std::size_t names = 1000000;
  std::int64_t time_us = 500000;
};

// The directory request.home.  found: response.uid owns it, and the file is a cdb of its names that
// begin with ".qmail", without values, and of an IndexSummary under the empty key; no file where
// the directory cannot be listed or is beyond `limits`: its entries can still be looked up one by
// one.  absent: there is no such directory.
[[nodiscard]] Finding look_at_home(const Request& request, const ListLimits& limits);

// home/name, through symbolic links.  found: a regular file that the owner may read.  absent: no
// such name, a name that cannot exist, or no regular file (as qmail-local sees it).  Fault:
// permission, a loop of links, an I/O error; and a home that is missing or no directory, where
// qmail-local defers.
[[nodiscard]] Finding look_at_file(const Request& request);

// The cdb request.name, below the home or absolute, through symbolic links.  found: response.key is
// the first of the keys that it has, response.mailbox the meaning of that record.  absent: there is
// no such file, as in look_at_file().  Fault: as there, for a file that is no whole cdb (retry: it
// may be half written), and as find_first_key() (maps/owner_table.h).
[[nodiscard]] Finding look_into_table(const Request& request);

}  // namespace qv::agent

#endif  // QV_AGENT_HOME_H_
