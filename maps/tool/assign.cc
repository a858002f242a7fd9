// SPDX-License-Identifier: 0BSD
#include <stdlib.h>
#include <unistd.h>

#include "core/exit_code.h"
#include "core/file.h"
#include "core/text.h"
#include "maps/atomic_file.h"
#include "maps/source.h"
#include "maps/tool/tool.h"
#include "maps/tool/users_assign.h"
#include "maps/types/cdb_writer.h"

namespace qv::tool {

namespace {

int failed(const Error& error, const std::string& detail, const std::string& path) {
  complain(detail.empty() ? describe_error(error, path) : detail);
  return kExitTemporary;
}

// Adds all records; 0, or an exit code after a complaint.
int add_records(std::string_view text, const std::string& path, CdbWriter& writer) {
  AssignParser parser;
  std::string key;
  std::string value;
  std::string wrong;
  for (int number = 1; find_byte(text, '\n') != text.size() || starts_with(text, "."); ++number) {
    switch (parser.take(take_until(text, '\n'), key, value, wrong)) {
      case AssignLine::record: {
        const Result<void> added = writer.add(key, value);
        if (!added.ok()) return failed(added.error(), {}, path);
        break;
      }
      case AssignLine::end: {
        const Result<void> added = writer.add("", parser.wildcards());
        return added.ok() ? kExitOk : failed(added.error(), {}, path);
      }
      case AssignLine::malformed:
        complain(path + ":" + std::to_string(number) + ": " + wrong);
        return kExitTemporary;
    }
  }
  complain(path + ": the line with a single dot that ends the file is missing");
  return kExitTemporary;
}

}  // namespace

int assign(Arguments arguments) {
  const Options options(arguments, {});
  const Arguments rest = options.rest();
  if (!options.problem().empty() || rest.size() > 2) {
    return usage(options.problem(), "assign [ASSIGN [CDB]]");
  }
  const char* given = getenv("QMAILHOME");
  const std::string home = given != nullptr && *given != '\0' ? given : QV_QMAILHOME;
  const std::string path = rest.empty() ? home + "/users/assign" : rest[0];
  const std::string target = rest.size() < 2 ? home + "/users/cdb" : rest[1];

  SourceStamp stamp;
  std::string detail;
  const Result<std::string> text = read_source(path, stamp, detail);
  if (!text.ok()) return failed(text.error(), detail, path);
  // qmail-lspawn reads it without rights: everybody may, whatever the source says.
  Result<AtomicFile> file =
      AtomicFile::create(target, FileOwner{geteuid(), getegid(), 0644}, detail);
  if (!file.ok()) return failed(file.error(), detail, target);
  if (!detail.empty()) complain(detail);
  CdbWriter writer(file.value().fd());
  const int code = add_records(text.value(), path, writer);
  if (code != kExitOk) return code;
  // Of several assignments for one address qmail-lspawn takes the first.
  const Result<void> finished = writer.finish(Duplicates::keep_first, [&](std::string_view key) {
    complain(path + ": assigned twice, the first counts: " + std::string(after_bytes(key, 1)));
  });
  if (!finished.ok()) return failed(finished.error(), {}, target);
  const Result<void> done = file.value().commit(detail);
  return done.ok() ? kExitOk : failed(done.error(), detail, target);
}

}  // namespace qv::tool
