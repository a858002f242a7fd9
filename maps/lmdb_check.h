// SPDX-License-Identifier: 0BSD
// maps/lmdb_check.h - is an LMDB file whole?
//
// LMDB trusts its file: a damaged page can end the process or hide keys.  This reads the pages that
// the newest meta page leads to, with pread(2) and without LMDB, and checks what LMDB will follow:
// page numbers, page kinds, the places of nodes, lengths of overflow runs, the order of keys in
// each page, and the number of entries.  What values say cannot be checked.
//
// Format: LMDB 0.9 on machines with this byte order and word size.
// Tests: tests/maps/contract_lmdb.cc
#ifndef QV_MAPS_LMDB_CHECK_H_
#define QV_MAPS_LMDB_CHECK_H_

#include "core/result.h"

namespace qv {

// Errors: read; not an LMDB file, or a damaged one (retry), `what` saying in which part.
// REQUIRES: nobody writes to the file meanwhile.
[[nodiscard]] Result<void> check_lmdb(int fd);

}  // namespace qv

#endif  // QV_MAPS_LMDB_CHECK_H_
