// SPDX-License-Identifier: 0BSD
// helper/home.h - the looks into a home directory, with the rights of whoever calls.
//
// Called in an agent (helper/agent.h), which is the owner.  Blocking: as long as the file system
// takes; the pool has a time limit and kills.  Of the files only an owner's tables are interpreted,
// and no more of them is told than which key is there.
//
// Threads: none.  Tests: tests/helper/home_test.cc
#ifndef QV_HELPER_HOME_H_
#define QV_HELPER_HOME_H_

#include <cstddef>
#include <cstdint>

#include "core/fd.h"
#include "helper/request.h"

namespace qv::helper {

// A response, and the memory file that goes with it.
struct Finding {
  Response response;
  Fd file;
};

// `errnum` as a fault.
[[nodiscard]] Finding fault_finding(int errnum);
[[nodiscard]] Finding fault_finding(const Error& error);
[[nodiscard]] Finding finding(Outcome outcome);

// How much of a directory is read before it counts as too much to list.
struct ListLimits {
  std::size_t names = 1000000;
  std::int64_t time_us = 500000;
};

// The directory request.home.  found: response.uid owns it, and the names in it that begin with
// ".qmail" are in the file (records.h); there is no file where the directory cannot be listed, or
// is beyond `limits`: its entries can still be asked for one by one.  absent: there is none, or
// something else than a directory.
[[nodiscard]] Finding look_at_home(const Request& request, const ListLimits& limits);

// home/name, through symbolic links.  found: a regular file that the owner may read.  absent: no
// such name, or none that can exist, or something else than a regular file (as qmail-local sees
// it).  Fault: permission, a loop of links, trouble; and a home that is missing or no directory:
// qmail-local defers then, so it is not an answer.
[[nodiscard]] Finding look_at_file(const Request& request);

// The cdb request.name, below the home or absolute, through symbolic links.  found: there is one;
// response.key says which of the keys it has, and response.mailbox what the record there means.
// absent: there is no such file, as look_at_file().  Fault: as there, for a file that is no whole
// cdb (retry: somebody may be writing it), and as find_first_key() (maps/owner_table.h).
[[nodiscard]] Finding look_into_table(const Request& request);

}  // namespace qv::helper

#endif  // QV_HELPER_HOME_H_
