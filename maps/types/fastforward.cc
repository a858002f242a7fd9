// SPDX-License-Identifier: 0BSD
// fastforward:/path/to/aliases.cdb - what setforward made for fastforward(1).
//
// Tries `:user@host`, `:@host` and `:user@`, in that order, lower-cased.  The value is the record:
// instructions that end in a NUL each, `&address`, `|command`, `.file`.
// Manual: qmail-map-qmail(5).
#include "maps/spec.h"
#include "maps/types/cdb_table.h"

namespace qv {

namespace {

Result<Answer> search(const CdbFile& file, std::string_view address, std::string& value) {
  const std::string whole = ":" + std::string(address);
  QV_TRY(const Answer exact, find_in(file, whole, value));
  if (exact == Answer::found) return exact;
  const AddressParts parts = split_address(address);
  // Wildcards are for whole addresses: `:@` and `:` are keys of nobody.
  if (!parts.has_domain || parts.local.empty() || parts.domain.empty()) return Answer::absent;
  QV_TRY(const Answer host, find_in(file, ":@" + std::string(parts.domain), value));
  if (host == Answer::found) return host;
  return find_in(file, ":" + std::string(parts.local) + "@", value);
}

Result<std::unique_ptr<Map>> open_fastforward(const MapSpec& spec, std::string& detail) {
  return open_cdb_search(strip_braces(spec.name), search, detail);
}

}  // namespace

extern const MapType map_type_fastforward;
const MapType map_type_fastforward{"fastforward",
                                   {.pattern = true, .listable = true},
                                   "/path.cdb: setforward's aliases for fastforward",
                                   open_fastforward};

}  // namespace qv
