// SPDX-License-Identifier: 0BSD
// recipients:/path/to/recipients.cdb - what s/qmail's qmail-recipients made.
//
// The key is `:` and the lower-cased address; one without `@` is at localhost.  An address that is
// not there is tried once more with its local part cut behind the first break character: `-`, `+`,
// `=`, each in turn.  The value is the record, mostly empty.  Manual: qmail-map-qmail(5).
#include "core/text.h"
#include "maps/spec.h"
#include "maps/types/cdb_table.h"

namespace qv {

namespace {

Result<Answer> search(const CdbFile& file, std::string_view address, std::string& value) {
  const AddressParts parts = split_address(address);
  if (parts.local.empty() || (parts.has_domain && parts.domain.empty())) return Answer::absent;
  const std::string domain =
      "@" + (parts.has_domain ? std::string(parts.domain) : std::string("localhost"));
  QV_TRY(const Answer exact, find_in(file, ":" + std::string(parts.local) + domain, value));
  if (exact == Answer::found) return exact;
  for (const char break_char : {'-', '+', '='}) {
    const std::size_t at = find_byte(parts.local, break_char);
    if (at == parts.local.size()) continue;
    const std::string base(first_bytes(parts.local, at + 1));
    QV_TRY(const Answer answer, find_in(file, ":" + base + domain, value));
    if (answer == Answer::found) return answer;
  }
  return Answer::absent;
}

Result<std::unique_ptr<Map>> open_recipients(const MapSpec& spec, std::string& detail) {
  return open_cdb_search(strip_braces(spec.name), search, detail);
}

}  // namespace

extern const MapType map_type_recipients;
const MapType map_type_recipients{"recipients",
                                  {.pattern = true, .listable = true},
                                  "/path.cdb: s/qmail's recipients",
                                  open_recipients};

}  // namespace qv
