// SPDX-License-Identifier: 0BSD
#include "probe/tools.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <string>
#include <string_view>

#include "cache/lmdb_store.h"
#include "cache/rules.h"
#include "core/exit_code.h"
#include "core/text.h"
#include "probe/cache_access.h"
#include "probe/options.h"

namespace qv {

namespace {

using Words = std::span<char* const>;
constexpr int kExitNotFound = 1;

int complain(const std::string& what, const Error& error) {
  std::string reason = error.what;
  if (error.errnum != 0) reason += std::string(": ") + strerror(error.errnum);
  fprintf(stderr, "qmail-probe: %s: %s\n", what.c_str(), reason.c_str());
  return kExitTemporary;
}

int misused() {
  fprintf(stderr, "usage:\n%s", probe_tool_usage());
  return kExitPermanent;
}

// The daemon, or its file where no daemon is there.
Result<std::unique_ptr<CacheAccess>> open_cache(const ProbeOptions& options) {
  Result<std::unique_ptr<CacheAccess>> daemon = open_daemon(options.listen.front());
  if (daemon.ok()) return daemon;
  const int errnum = daemon.error().errnum;
  const bool nobody = errnum == ENOENT || errnum == ECONNREFUSED;
  if (!nobody || options.lmdb_path.empty()) return daemon;
  return open_cache_file(options.lmdb_path, options.cache_entries);
}

std::string when(std::int64_t seconds) {
  if (seconds == 0) return "-";
  const time_t moment = seconds;
  tm parts{};
  char text[32] = "-";
  if (gmtime_r(&moment, &parts) != nullptr) {
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  }
  return text;
}

std::string_view state_name(EntryState state) {
  switch (state) {
    case EntryState::absent:
      return "ignored";
    case EntryState::pending:
      return "pending";
    case EntryState::lost:
      return "expired";
    case EntryState::fresh:
      return "fresh";
    case EntryState::stale:
      return "stale";
    case EntryState::held:
      return "held";
  }
  QV_CHECK(false);
}

void print_entry(std::string_view key, std::string_view bytes, const CacheTimes& times) {
  CacheRecord record;
  std::string line(key);
  if (parse_record(bytes, record) == RecordForm::damaged) {
    line += "\tdamaged";
  } else {
    const bool of_domain = starts_with(key, "@");
    const std::int64_t now = time(nullptr);
    const std::string_view state = !of_domain ? state_name(judge(&record, now, times).state)
                                   : judge_domain(&record, now, times) == AcceptAll::unknown
                                       ? "expired"
                                       : "fresh";
    line += "\t" + std::string(status_name(record.status)) + "\t" + std::string(state) + "\t" +
            when(record.updated) + "\t" + when(record.probed) + "\t" + record.text;
  }
  puts(line.c_str());
}

int list(CacheAccess& cache, const ProbeOptions& options) {
  const Result<void> listed = cache.list([&](std::string_view key, std::string_view record) {
    print_entry(key, record, options.service.times);
  });
  return listed.ok() ? kExitOk : complain("list", listed.error());
}

int show(CacheAccess& cache, const ProbeOptions& options, std::string_view address) {
  const std::string wanted = cache_key(address);
  const std::string domain = domain_key(domain_of(address));
  bool found = false;
  const Result<void> listed = cache.list([&](std::string_view key, std::string_view record) {
    if (key != wanted && key != domain) return;
    found = true;
    print_entry(key, record, options.service.times);
  });
  if (!listed.ok()) return complain("show", listed.error());
  return found ? kExitOk : kExitNotFound;
}

int purge(CacheAccess& cache, std::string_view what) {
  const Result<std::uint32_t> purged = cache.purge(what);
  const Result<void> finished = cache.finish();
  if (!purged.ok()) return complain("purge", purged.error());
  if (!finished.ok()) return complain("purge", finished.error());
  printf("%u entries purged\n", purged.value());
  return kExitOk;
}

int write_out(CacheAccess& cache) {
  const Result<void> listed = cache.list([](std::string_view key, std::string_view record) {
    printf("%.*s\t%.*s\n", static_cast<int>(key.size()), key.data(),
           static_cast<int>(record.size()), record.data());
  });
  if (!listed.ok()) return complain("export", listed.error());
  return fflush(stdout) == 0 ? kExitOk : kExitTemporary;
}

// Counts what was taken and what was not.
class Import {
 public:
  explicit Import(CacheAccess& cache) : cache_(cache) {}

  void take(std::string_view key, std::string_view record) {
    // Postfix's verify(8) keeps its housekeeping beside the addresses.
    if (find_byte(key, '@') == key.size()) return;
    const Result<void> put = cache_.put(key, record);
    if (put.ok()) {
      ++taken_;
      return;
    }
    ++refused_;
    if (put.error().fault != Fault::denied) failed_ = put.error();
  }
  // A line of an export.
  void take_line(std::string_view line) {
    const std::string_view key = take_until(line, '\t');
    take(key, line);
  }
  [[nodiscard]] bool going() const { return failed_.what[0] == '\0'; }

  int finish() {
    const Result<void> finished = cache_.finish();
    if (!going()) return complain("import", failed_);
    if (!finished.ok()) return complain("import", finished.error());
    printf("%u entries imported, %u refused\n", taken_, refused_);
    return refused_ == 0 ? kExitOk : kExitTemporary;
  }

 private:
  CacheAccess& cache_;
  unsigned taken_ = 0;
  unsigned refused_ = 0;
  Error failed_{Fault::retry, 0, ""};
};

int import_text(CacheAccess& cache, FILE* in) {
  Import import(cache);
  char* line = nullptr;
  std::size_t size = 0;
  ssize_t got = 0;
  while (import.going() && (got = getline(&line, &size, in)) > 0) {
    std::string_view text(line, static_cast<std::size_t>(got));
    if (ends_with(text, "\n")) text.remove_suffix(1);
    if (!text.empty() && text.front() != '#') import.take_line(text);
  }
  free(line);
  return import.finish();
}

// Another table, such as Postfix's address_verify_map.
int import_lmdb(CacheAccess& cache, const std::string& path) {
  Import import(cache);
  const Result<void> walked =
      walk_lmdb_file(path, [&](std::string_view key, std::string_view record) {
        import.take(key, record);
        return import.going() ? CacheStore::Walk::go_on : CacheStore::Walk::stop;
      });
  if (!walked.ok()) return complain(path, walked.error());
  return import.finish();
}

int import_from(CacheAccess& cache, const std::string& source) {
  if (const auto path = lmdb_file_of(source)) return import_lmdb(cache, *path);
  if (source == "-") return import_text(cache, stdin);
  FILE* in = fopen(source.c_str(), "re");
  if (in == nullptr) return complain(source, Error{Fault::retry, errno, "open"});
  const int code = import_text(cache, in);
  fclose(in);
  return code;
}

}  // namespace

const char* probe_tool_usage() {
  return "       qmail-probe list                      every entry: key, status, state, when "
         "learnt, "
         "when asked, text\n"
         "       qmail-probe show ADDRESS              what is known about it and its domain\n"
         "       qmail-probe purge ADDRESS|DOMAIN|--all\n"
         "       qmail-probe export                    the cache as text\n"
         "       qmail-probe import [FILE|lmdb:/PATH]  what export wrote (default: standard "
         "input), "
         "or Postfix's map\n";
}

int run_probe_tool(Words words) {
  const std::string verb = words.empty() ? "" : words[0];
  const std::size_t arguments = words.empty() ? 0 : words.size() - 1;
  const bool takes_none = verb == "list" || verb == "export";
  const bool takes_one = verb == "show" || verb == "purge";
  const bool fits = (takes_none && arguments == 0) || (takes_one && arguments == 1) ||
                    (verb == "import" && arguments <= 1);
  if (!fits) return misused();
  std::vector<Problem> problems;
  const ProbeOptions options = read_probe_options(from_environment_or_control, problems);
  if (!problems.empty()) {
    fprintf(stderr, "qmail-probe: %s\n", to_string(problems.front()).c_str());
    return kExitTemporary;
  }
  Result<std::unique_ptr<CacheAccess>> cache = open_cache(options);
  if (!cache.ok()) return complain(options.listen.front(), cache.error());
  if (verb == "list") return list(*cache.value(), options);
  if (verb == "show") return show(*cache.value(), options, words[1]);
  if (verb == "purge") return purge(*cache.value(), words[1]);
  if (verb == "export") return write_out(*cache.value());
  return import_from(*cache.value(), arguments == 1 ? words[1] : "-");
}

}  // namespace qv
