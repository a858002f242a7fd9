// SPDX-License-Identifier: 0BSD
// vpopmail:/home/vpopmail/domains/example.org - the users of one of vpopmail's domains.
//
// The key is the local part, lower-cased; a domain behind it is passed over.  As qmail-local and
// then vdelivermail decide: `.qmail-USER` and the `.qmail-PREFIX-default` of the directory come
// first (a dot of the name is a colon there; `.qmail-default` itself is not asked: it is what leads
// here), then the record in vpasswd.cdb.  A user with the BOUNCE_MAIL flag is absent.  The value is
// the path of the file, or the mail directory of the user.  Aliases in SQL (valias) are a table of
// their own.  Manual: qmail-map-qmail(5).
#include <errno.h>
#include <sys/stat.h>

#include <utility>

#include "core/fault.h"
#include "core/text.h"
#include "maps/mailbox_record.h"
#include "maps/spec.h"
#include "maps/types/cdb_table.h"
#include "maps/types/memory_table.h"

namespace qv {

namespace {

// Is there a file?  A fault where it cannot be told.
Result<Answer> look_for(const std::string& path) {
  struct stat st {};
  if (stat(path.c_str(), &st) == 0) return S_ISREG(st.st_mode) ? Answer::found : Answer::absent;
  if (errno_means_absent(errno) || errno == ENAMETOOLONG) return Answer::absent;
  return errno_error("look for .qmail file");
}

Result<Answer> judge(std::string_view bytes, std::string& value) {
  QV_TRY(const VpasswdRecord record, parse_vpasswd_record(bytes));
  if (mailbox_of(record) != Mailbox::takes_mail) return Answer::absent;
  value = record.directory;
  return Answer::found;
}

class VpopmailMap final : public CdbBasedMap {
 public:
  VpopmailMap(std::string directory, CdbTable table)
      : CdbBasedMap(std::move(table)), directory_(std::move(directory)) {}

  Result<Answer> lookup(std::string_view key, std::string& value) override {
    const std::string user = fold_key(split_address(key).local);
    if (user.empty() || user.find('/') != std::string::npos ||
        user.find('\0') != std::string::npos) {
      return Answer::absent;
    }
    QV_TRY(const Answer dotqmail, find_file(user, value));
    if (dotqmail == Answer::found) return dotqmail;
    std::string_view record;
    QV_TRY(const Answer answer, file().find(user, record));
    if (answer == Answer::absent) return answer;
    return judge(record, value);
  }
  bool is_pattern() const override { return true; }
  // The users in the cdb are not all there are.
  Result<Answer> sequence(Step step, std::string& key, std::string& value) override {
    return Map::sequence(step, key, value);
  }

 private:
  Result<Answer> find_file(const std::string& user, std::string& value) const {
    std::string name = user;
    for (char& c : name) c = c == '.' ? ':' : c;
    const std::string base = directory_ + "/.qmail-";
    if (name != "default") {
      QV_TRY(const Answer exact, look_for(base + name));
      if (exact == Answer::found) return value = base + name, exact;
    }
    for (std::size_t i = name.size(); i > 0; --i) {
      if (name[i - 1] != '-') continue;
      const std::string path = base + name.substr(0, i) + "default";
      QV_TRY(const Answer cut, look_for(path));
      if (cut == Answer::found) return value = path, cut;
    }
    return Answer::absent;
  }

  std::string directory_;
};

Result<std::unique_ptr<Map>> open_vpopmail(const MapSpec& spec, std::string& detail) {
  std::string directory(strip_braces(spec.name));
  while (directory.size() > 1 && directory.back() == '/') directory.pop_back();
  CdbTable table;
  QV_TRY_VOID(open_cdb_table(directory + "/vpasswd.cdb", table, detail));
  return std::unique_ptr<Map>(
      std::make_unique<VpopmailMap>(std::move(directory), std::move(table)));
}

}  // namespace

extern const MapType map_type_vpopmail;
const MapType map_type_vpopmail{"vpopmail",
                                {.pattern = true},
                                "/path/to/domain: the users of a vpopmail domain",
                                open_vpopmail};

}  // namespace qv
