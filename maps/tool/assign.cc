// SPDX-License-Identifier: 0BSD
#include <stdlib.h>
#include <unistd.h>

#include "core/exit_code.h"
#include "core/text.h"
#include "maps/atomic_file.h"
#include "maps/cdb_writer.h"
#include "maps/source.h"
#include "maps/tool/tool.h"
#include "maps/types/text_table.h"

namespace qv::maps::tool {

namespace {

constexpr int kFields = 6;  // user, uid, gid, home, dash, ext

// The fields, each ended by a colon, with a NUL between them; the rest of the line is ignored.
// False where there are fewer.
bool join_fields(std::string_view rest, std::string& value) {
  value.clear();
  for (int i = 0; i < kFields; ++i) {
    if (find_byte(rest, ':') == rest.size()) return false;
    if (i > 0) value += '\0';
    value += take_until(rest, ':');
  }
  return true;
}

// Adds all records; 0, or an exit code after a complaint.
int add_records(std::string_view text, const std::string& path, CdbWriter& writer) {
  AssignParser parser;
  std::string key;
  std::string value;
  std::string wrong;
  for (int number = 1; find_byte(text, '\n') != text.size() || starts_with(text, "."); ++number) {
    const AssignLine kind = parser.parse(take_until(text, '\n'), key, value, wrong);
    if (kind == AssignLine::malformed) {
      complain(path + ":" + std::to_string(number) + ": " + wrong);
      return kExitTemporary;
    }
    const bool is_end = kind == AssignLine::end;
    const Result<void> added = is_end ? writer.add("", parser.wildcards()) : writer.add(key, value);
    if (!added.ok()) return fail(added.error(), {}, path);
    if (is_end) return kExitOk;
  }
  complain(path + ": the line with a single dot that ends the file is missing");
  return kExitTemporary;
}

}  // namespace

AssignLine AssignParser::parse(std::string_view line, std::string& key, std::string& value,
                               std::string& wrong) {
  if (starts_with(line, ".")) return AssignLine::end;
  const std::size_t colon = find_byte(line, ':');
  if (find_byte(line, '\0') != line.size()) {
    wrong = "a NUL in the line";
    return AssignLine::malformed;
  }
  if (line.empty() || (line.front() != '=' && line.front() != '+') || colon == line.size()) {
    wrong = "expected =local:user:uid:gid:home:dash:ext: or +prefix:...";
    return AssignLine::malformed;
  }
  if (!join_fields(after_bytes(line, colon + 1), value)) {
    wrong = "fewer than six fields behind the address, each ended by a colon";
    return AssignLine::malformed;
  }
  const std::string_view local = line.substr(1, colon - 1);
  key = "!" + fold_key(local);
  if (line.front() == '=') {
    key += '\0';
  } else if (!local.empty() && wildcards_.find(local.back()) == std::string::npos) {
    wildcards_ += local.back();
  }
  return AssignLine::record;
}

int assign(Arguments arguments, std::string_view synopsis) {
  const Options options(arguments, {});
  const Arguments rest = options.rest();
  if (!options.problem().empty() || rest.size() > 2) return usage(options.problem(), synopsis);
  const char* given = getenv("QMAILHOME");
  const std::string home = given != nullptr && *given != '\0' ? given : QV_QMAILHOME;
  const std::string path = rest.empty() ? home + "/users/assign" : rest[0];
  const std::string target = rest.size() < 2 ? home + "/users/cdb" : rest[1];

  control::SourceStamp stamp;
  std::string detail;
  const Result<std::string> text = read_source(path, stamp, detail);
  if (!text.ok()) return fail(text.error(), detail, path);
  // qmail-lspawn reads it without rights: everybody may, whatever the mode of the source.
  Result<AtomicFile> file =
      AtomicFile::create(target, FileOwner{geteuid(), getegid(), 0644}, detail);
  if (!file.ok()) return fail(file.error(), detail, target);
  if (!detail.empty()) complain(detail);
  CdbWriter writer(file.value().fd());
  const int code = add_records(text.value(), path, writer);
  if (code != kExitOk) return code;
  // Of several assignments for one address qmail-lspawn takes the first.
  const Result<void> finished = writer.finish(Duplicates::keep_first, [&](std::string_view key) {
    complain(path + ": assigned twice, the first counts: " + std::string(after_bytes(key, 1)));
  });
  if (!finished.ok()) return fail(finished.error(), {}, target);
  const Result<void> done = file.value().commit(detail);
  return done.ok() ? kExitOk : fail(done.error(), detail, target);
}

}  // namespace qv::maps::tool
