// SPDX-License-Identifier: 0BSD
// rcpt/config.h - what qmail's control files say about which addresses are ours.
//
// Six files of $QMAILHOME/control count: me, envnoathost, locals, percenthack, virtualdomains, and
// of verifyprobe the domains; and two more that qmail does not know: verifymaps (rcpt/verifymaps.h)
// and recipient_delimiter, whose first line is the characters that end a user's name in keys, "-+"
// where there is no such file.
// The defaults are qmail-send's: envnoathost and locals are control/me where they do not exist, the
// others are empty.  Unlike qmail-send, nothing is made up where control/me is missing too
// (CVE-2020-3811): what would need it is not usable, and the decision cannot tell.
//
// A file is not usable while it cannot be read, holds a NUL byte or, of those that hold one name
// (me, envnoathost), has no name on its first line or one longer than 255 bytes.  If it was usable
// before, the old contents stay in force.  A line of virtualdomains without a colon is reported and
// passed over and the rest of the file is in force, because qmail-send does so: what is accepted
// must be what is delivered.
//
// Threads: none.  Blocking: reads local files.
// Manual: qmail-verify(8), qmail-control(5).  Tests: tests/rcpt/config_test.cc
#ifndef QV_RCPT_CONFIG_H_
#define QV_RCPT_CONFIG_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "control/constmap.h"
#include "control/lines.h"
#include "control/reloaded.h"
#include "rcpt/verifymaps.h"

namespace qv {

// One name, on the first line of its file.
struct ControlName {
  bool usable = false;    // false: whatever needs it cannot be told now
  std::string_view file;  // where it stands: "control/me"
  std::string name;       // not empty where usable
};

struct ControlTable {
  bool usable = false;
  std::string_view file;
  Constmap entries;
};

// What is in force.  With nothing loaded nothing is usable.
struct QmailConfig {
  ControlName envnoathost;
  ControlTable locals;
  ControlTable percenthack;
  ControlTable virtualdomains;
  VerifyMaps verifymaps;
  ControlName delimiters;    // its name: each of these characters; none at all is usable, too
  ControlTable verifyprobe;  // its domains, without values
};

// The control files of one qmail home, read when they change.
class ConfigWatch {
 public:
  // Reads nothing yet.  `clock`: end_of_time_ns for a program that reads once.
  explicit ConfigWatch(const std::string& qmailhome, WallClock clock = wall_clock_ns);

  // Looks which files have changed, at most once a second, and reads those.  Adds to `problems`
  // what is wrong and was not reported before; after force(), all that is wrong.
  // Returns changed where some file was read: what was decided before may be decided otherwise now.
  Change refresh(std::int64_t now_us, std::vector<Problem>& problems);

  // The next refresh() reads everything, whatever the time (SIGHUP).
  void force();

  // What is in force; the reference stays valid, its contents until the next refresh().
  [[nodiscard]] const QmailConfig& config() const { return config_; }

 private:
  enum class Standing : std::uint8_t { absent, good, bad };
  struct File {
    File(const std::string& qmailhome, std::string_view file, WallClock clock)
        : name(file), path(qmailhome + "/" + std::string(file)), lines(clock) {}
    std::string_view name;  // "control/me"
    std::string path;
    Reloaded<ControlLines> lines;  // what was read last; given up once it has been parsed
    Standing standing = Standing::absent;
    std::vector<Problem> problems;  // of the last reading
  };

  // none: nothing has been read.  changed: file.standing says what came of it, and only where that
  // is good there are lines to parse.
  static Change read(File& file, std::int64_t now_us);
  void use_name(File& file, std::string& name);
  void use_table(File& file, Constmap::Form form, ControlTable& table);
  void use_verifymaps();
  void use_delimiters();
  void use_verifyprobe();
  void settle_defaults();
  void report(std::vector<Problem>& problems, bool all);

  File me_file_;
  File envnoathost_file_;
  File locals_file_;
  File percenthack_file_;
  File virtualdomains_file_;
  File verifymaps_file_;
  File delimiters_file_;
  File verifyprobe_file_;
  std::string me_;           // as last read well; empty: never
  std::string envnoathost_;  // likewise, without the default
  std::vector<Problem> default_problems_;
  std::vector<Problem> reported_;
  bool forced_ = true;
  QmailConfig config_;
};

// Reads everything once.
[[nodiscard]] QmailConfig load_config(const std::string& qmailhome, std::vector<Problem>& problems);

}  // namespace qv

#endif  // QV_RCPT_CONFIG_H_
