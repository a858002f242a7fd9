// SPDX-License-Identifier: 0BSD
// validrcptto:jms1:/path.cdb, validrcptto:sagredo:/path.cdb - the two kinds of validrcptto.cdb.
//
// jms1: the address; then its local part cut at its `-`, longest first, `PREFIX-default@domain`;
// then `@domain`.  A value that begins with `-` refuses.  sagredo (Franceschini's form):
// `address`, `-address`, `@domain`, `-@domain`; a key with the `-` refuses.  What is refused is
// absent.  Manual: qmail-map-qmail(5).
#include "core/text.h"
#include "maps/spec.h"
#include "maps/types/cdb_table.h"

namespace qv {

namespace {

// found: the key is there and accepts.  absent: it is there and refuses.  Not yet known: nullopt.
using Decision = std::optional<Answer>;

Result<Decision> try_jms1(const CdbFile& file, const std::string& key, std::string& value) {
  std::string found;
  QV_TRY(const Answer answer, find_in(file, key, found));
  if (answer == Answer::absent) return Decision{};
  if (starts_with(found, "-")) return Decision{Answer::absent};
  value = std::move(found);
  return Decision{Answer::found};
}

Result<Answer> search_jms1(const CdbFile& file, std::string_view address, std::string& value) {
  const AddressParts parts = split_address(address);
  if (!parts.has_domain || parts.local.empty() || parts.domain.empty()) return Answer::absent;
  const std::string domain = "@" + std::string(parts.domain);
  QV_TRY(const Decision exact, try_jms1(file, std::string(address), value));
  if (exact) return *exact;
  for (std::size_t i = parts.local.size(); i > 0; --i) {
    if (parts.local[i - 1] != '-') continue;
    const std::string prefix(first_bytes(parts.local, i));
    QV_TRY(const Decision cut, try_jms1(file, prefix + "default" + domain, value));
    if (cut) return *cut;
  }
  QV_TRY(const Decision all, try_jms1(file, domain, value));
  return all.value_or(Answer::absent);
}

Result<Answer> search_sagredo(const CdbFile& file, std::string_view address, std::string& value) {
  const AddressParts parts = split_address(address);
  if (!parts.has_domain || parts.local.empty() || parts.domain.empty()) return Answer::absent;
  // Before these keys a `-` refuses; a local part that begins with one must not look like that.
  const std::string keys[] = {std::string(address), "@" + std::string(parts.domain)};
  for (const std::string& key : keys) {
    if (key.front() != '-') {
      QV_TRY(const Answer accepts, find_in(file, key, value));
      if (accepts == Answer::found) return accepts;
    }
    std::string ignored;
    QV_TRY(const Answer refuses, find_in(file, "-" + key, ignored));
    if (refuses == Answer::found) return Answer::absent;
  }
  return Answer::absent;
}

Result<std::unique_ptr<Map>> open_validrcptto(const MapSpec& spec, std::string& detail) {
  std::string_view path = strip_braces(spec.name);
  const std::string_view dialect = take_until(path, ':');
  if (dialect == "jms1") return open_cdb_search(path, search_jms1, detail);
  if (dialect == "sagredo") return open_cdb_search(path, search_sagredo, detail);
  detail = "validrcptto:" + spec.name + ": write validrcptto:jms1:/path.cdb or " +
           "validrcptto:sagredo:/path.cdb";
  return Error{Fault::config, 0, "validrcptto table"};
}

}  // namespace

extern const MapType map_type_validrcptto;
const MapType map_type_validrcptto{"validrcptto",
                                   {.pattern = true, .listable = true},
                                   "jms1:/path.cdb or sagredo:/path.cdb: validrcptto tables",
                                   open_validrcptto};

}  // namespace qv
