// SPDX-License-Identifier: 0BSD
// Tables that programs for qmail have of recipients, each a cdb with keys in lower case.
// Manual: qmail-map-qmail(5).
//
// fastforward:/path/to/aliases.cdb - what setforward made for fastforward(1).  The value is the
// record: instructions that end in a NUL each, `&address`, `|command`, `.file`.
//
// recipients:/path/to/recipients.cdb - what s/qmail's qmail-recipients made.
//
// validrcptto:jms1:/path.cdb, validrcptto:sagredo:/path.cdb - the two kinds of validrcptto.cdb.  In
// jms1's a value that begins with `-` refuses, in sagredo's (Franceschini's form) a key does.
//
// vmailmgr:/home/user/passwd.cdb - the virtual users of vmailmgr's base user, in any domain.  A
// user whose account has expired, or who has neither a mailbox that is enabled nor a forward, is
// absent.  The value is the mailbox directory; without one the forwards, comma-separated.
//
// vpopmail:/home/vpopmail/domains/example.org - the users of one of vpopmail's domains, as
// qmail-local and then vdelivermail decide: `.qmail-USER` and the `.qmail-PREFIX-default` of the
// directory come first (a dot of the name is a colon there; `.qmail-default` itself is not asked:
// it is what leads here), then the record in vpasswd.cdb.  A user with the BOUNCE_MAIL flag is
// absent.  The value is the path of the file, or the mail directory of the user.  Aliases in SQL
// (valias) are a table of their own.
#include <errno.h>
#include <sys/stat.h>
#include <time.h>

#include <algorithm>
#include <functional>
#include <utility>

#include "core/fault.h"
#include "core/text.h"
#include "maps/owner_table.h"
#include "maps/spec.h"
#include "maps/types/cdb_table.h"
#include "maps/types/text_table.h"

namespace qv::maps {

namespace {

// ---- which keys each table has for an address ---------------------------------------------------

// Looks a key up.  True: it is there, or there was a fault, and the search ends.
using IsFound = std::function<bool(const std::string& key)>;

bool is_whole(const AddressParts& address) {
  return address.has_domain && !address.local.empty() && !address.domain.empty();
}

std::string at_domain(const AddressParts& address) { return "@" + std::string(address.domain); }

void search_fastforward(const AddressParts& address, const IsFound& is_found) {
  const std::string local = ":" + std::string(address.local);
  if (is_found(address.has_domain ? local + at_domain(address) : local)) return;
  // Wildcards are for whole addresses: `:@` and `:` are keys of no address.
  if (!is_whole(address) || is_found(":" + at_domain(address))) return;
  is_found(local + "@");
}

void search_recipients(const AddressParts& address, const IsFound& is_found) {
  if (address.local.empty() || (address.has_domain && address.domain.empty())) return;
  const std::string local = ":" + std::string(address.local);
  const std::string domain = address.has_domain ? at_domain(address) : "@localhost";
  if (is_found(local + domain)) return;
  for (const char break_char : {'-', '+', '='}) {
    const std::size_t at = find_byte(local, break_char);
    if (at < local.size() && is_found(local.substr(0, at + 1) + domain)) return;
  }
}

void search_jms1(const AddressParts& address, const IsFound& is_found) {
  if (!is_whole(address)) return;
  const std::string local(address.local);
  const std::string domain = at_domain(address);
  if (is_found(local + domain)) return;
  for (std::size_t i = local.size(); i > 0; --i) {
    if (local[i - 1] == '-' && is_found(local.substr(0, i) + "default" + domain)) return;
  }
  is_found(domain);
}

void search_sagredo(const AddressParts& address, const IsFound& is_found) {
  if (!is_whole(address)) return;
  const std::string domain = at_domain(address);
  for (const std::string& key : {std::string(address.local) + domain, domain}) {
    // A local part that begins with `-` must not look like a key that refuses.
    if (key.front() != '-' && is_found(key)) return;
    if (is_found("-" + key)) return;
  }
}

void search_vmailmgr(const AddressParts& address, const IsFound& is_found) {
  if (address.local.empty() || is_found(std::string(address.local))) return;
  is_found("+");
}

// ---- what a record means: as Map::lookup() ------------------------------------------------------

Result<Answer> accept(std::string_view /*key*/, std::string_view record, std::string& value) {
  value = record;
  return Answer::found;
}

Result<Answer> judge_jms1(std::string_view key, std::string_view record, std::string& value) {
  return starts_with(record, "-") ? Answer::absent : accept(key, record, value);
}

Result<Answer> judge_sagredo(std::string_view key, std::string_view record, std::string& value) {
  return starts_with(key, "-") ? Answer::absent : accept(key, record, value);
}

Result<Answer> judge_vmailmgr(std::string_view /*key*/, std::string_view bytes,
                              std::string& value) {
  QV_TRY(const VmailmgrRecord record, parse_vmailmgr_record(bytes));
  if (mailbox_of(record, time(nullptr)) != Mailbox::takes_mail) return Answer::absent;
  value = record.mailbox.empty() ? record.forwards : record.mailbox;
  std::replace(value.begin(), value.end(), '\0', ',');
  return Answer::found;
}

struct Kind {
  void (*search)(const AddressParts& address, const IsFound& is_found);
  Result<Answer> (*judge)(std::string_view key, std::string_view record, std::string& value);
};

constexpr Kind kFastforward{search_fastforward, accept};
constexpr Kind kRecipients{search_recipients, accept};
constexpr Kind kJms1{search_jms1, judge_jms1};
constexpr Kind kSagredo{search_sagredo, judge_sagredo};
constexpr Kind kVmailmgr{search_vmailmgr, judge_vmailmgr};

class SearchMap final : public CdbBasedMap {
 public:
  SearchMap(CdbTable table, const Kind& kind) : CdbBasedMap(std::move(table)), kind_(kind) {}

  Result<Answer> lookup(std::string_view key, std::string& value) override {
    const std::string address = fold_key(key);
    Result<Answer> outcome = Answer::absent;
    kind_.search(split_address(address), [&](const std::string& candidate) {
      std::string_view record;
      outcome = file().find(candidate, record);
      if (!outcome.ok()) return true;
      if (outcome.value() == Answer::absent) return false;
      outcome = kind_.judge(candidate, record, value);
      return true;
    });
    return outcome;
  }
  bool is_pattern() const override { return true; }

 private:
  const Kind& kind_;
};

Result<std::unique_ptr<Map>> open_search(std::string_view path, const Kind& kind,
                                         std::string& detail) {
  QV_TRY(CdbTable table, open_cdb_table(std::string(path), detail));
  return std::unique_ptr<Map>(std::make_unique<SearchMap>(std::move(table), kind));
}

template <const Kind& kind>
Result<std::unique_ptr<Map>> open(const MapSpec& spec, std::string& detail) {
  return open_search(strip_braces(spec.name), kind, detail);
}

Result<std::unique_ptr<Map>> open_validrcptto(const MapSpec& spec, std::string& detail) {
  std::string_view path = strip_braces(spec.name);
  const std::string_view dialect = take_until(path, ':');
  if (dialect == "jms1") return open_search(path, kJms1, detail);
  if (dialect == "sagredo") return open_search(path, kSagredo, detail);
  detail = "validrcptto:" + spec.name + ": write validrcptto:jms1:/path.cdb or " +
           "validrcptto:sagredo:/path.cdb";
  return Error{Fault::config, 0, "validrcptto table"};
}

// ---- vpopmail -----------------------------------------------------------------------------------

class VpopmailMap final : public CdbBasedMap {
 public:
  VpopmailMap(std::string directory, CdbTable table)
      : CdbBasedMap(std::move(table)), dotqmail_(std::move(directory) + "/.qmail-") {}

  Result<Answer> lookup(std::string_view key, std::string& value) override {
    const std::string user = fold_key(split_address(key).local);
    if (user.empty() || user.find_first_of(std::string_view("/\0", 2)) != std::string::npos) {
      return Answer::absent;
    }
    QV_TRY(const Answer dotqmail, find_file(user, value));
    if (dotqmail == Answer::found) return dotqmail;
    std::string_view bytes;
    QV_TRY(const Answer answer, file().find(user, bytes));
    if (answer == Answer::absent) return answer;
    QV_TRY(const VpasswdRecord record, parse_vpasswd_record(bytes));
    if (mailbox_of(record) != Mailbox::takes_mail) return Answer::absent;
    value = record.directory;
    return Answer::found;
  }
  bool is_pattern() const override { return true; }
  // The users in the cdb are not all there are.
  Result<Answer> sequence(Step step, std::string& key, std::string& value) override {
    return Map::sequence(step, key, value);
  }

 private:
  Result<Answer> find_file(const std::string& user, std::string& value) const {
    std::string name = user;
    std::replace(name.begin(), name.end(), '.', ':');
    if (name != "default") {
      QV_TRY(const Answer exact, look_for(dotqmail_ + name, value));
      if (exact == Answer::found) return exact;
    }
    for (std::size_t i = name.size(); i > 0; --i) {
      if (name[i - 1] != '-') continue;
      QV_TRY(const Answer cut, look_for(dotqmail_ + name.substr(0, i) + "default", value));
      if (cut == Answer::found) return cut;
    }
    return Answer::absent;
  }

  // found: `value` is `path`, a regular file.
  static Result<Answer> look_for(const std::string& path, std::string& value) {
    struct stat st {};
    if (stat(path.c_str(), &st) != 0) {
      if (errno_means_absent(errno) || errno == ENAMETOOLONG) return Answer::absent;
      return errno_error("look for .qmail file");
    }
    if (!S_ISREG(st.st_mode)) return Answer::absent;
    value = path;
    return Answer::found;
  }

  std::string dotqmail_;  // the path of each such file begins so
};

Result<std::unique_ptr<Map>> open_vpopmail(const MapSpec& spec, std::string& detail) {
  std::string directory(strip_braces(spec.name));
  while (directory.size() > 1 && directory.back() == '/') directory.pop_back();
  QV_TRY(CdbTable table, open_cdb_table(directory + "/vpasswd.cdb", detail));
  return std::unique_ptr<Map>(
      std::make_unique<VpopmailMap>(std::move(directory), std::move(table)));
}

constexpr Traits kSearched{.pattern = true, .listable = true};

}  // namespace

extern const MapType map_type_fastforward{"fastforward", kSearched,
                                          "/path.cdb: setforward's aliases for fastforward",
                                          open<kFastforward>};

extern const MapType map_type_recipients{"recipients", kSearched, "/path.cdb: s/qmail's recipients",
                                         open<kRecipients>};

extern const MapType map_type_validrcptto{"validrcptto", kSearched,
                                          "jms1:/path.cdb or sagredo:/path.cdb: validrcptto tables",
                                          open_validrcptto};

extern const MapType map_type_vmailmgr{
    "vmailmgr", kSearched, "/home/user/passwd.cdb: vmailmgr's virtual users", open<kVmailmgr>};

extern const MapType map_type_vpopmail{"vpopmail",
                                       {.pattern = true},
                                       "/path/to/domain: the users of a vpopmail domain",
                                       open_vpopmail};

}  // namespace qv::maps
