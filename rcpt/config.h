// SPDX-License-Identifier: 0BSD
// rcpt/config.h - what qmail's control files say about which addresses are decided here.
//
// It reads eight files of $QMAILHOME/control: qmail's me, envnoathost, locals, percenthack and
// virtualdomains; the domains of verifyprobe; verifymaps; and recipient_delimiter, whose first line
// is the characters that end a user's name in keys ("-+" where there is no such file).
//
// The defaults are qmail-send's: control/me replaces envnoathost and locals where they do not
// exist, the others are empty.  Unlike qmail-send, nothing is made up where control/me is missing
// too (CVE-2020-3811): addresses that need it are undecided.
//
// A file is not usable while it cannot be read, holds a NUL byte or, if it holds one name (me,
// envnoathost), has no name on its first line or one longer than 255 bytes.  If it was usable
// before, the old contents stay in force.  A line of virtualdomains without a colon is reported and
// passed over, and the rest of the file is in force, because qmail-send does so: what is accepted
// must be what is delivered.
//
// Threads: none.  Blocking: reads local files.
// Manual: qmail-verify(8), qmail-control(5).  Tests: tests/rcpt/config_test.cc, verifymaps_test.cc
#ifndef QV_RCPT_CONFIG_H_
#define QV_RCPT_CONFIG_H_

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "control/constmap.h"
#include "control/lines.h"
#include "control/reloaded.h"

namespace qv::rcpt {

// One name, on the first line of its file.
struct ControlName {
  bool usable = false;    // false: whatever needs it is undecided
  std::string_view file;  // where it stands: "control/me"
  std::string name = {};  // not empty where usable
};

struct ControlTable {
  bool usable = false;
  std::string_view file;
  control::Constmap entries = {};
};

// control/verifymaps: which domains' recipients are looked up in which tables.
//
//   example.org:cdb:/etc/mail/example    the recipients of this domain
//   .example.org:proxy:pgsql:/etc/x.cf   of every domain below it
//   other.example:                       by qmail's own rules, whatever the next line says
//   :lmdb:/etc/mail/all                  of every domain that is local or virtual here
//
// A line without a table is a mistake, and leaves its domain undecided: passed over, it would put
// the domain back under rules that it was taken from.
struct VerifyMaps {
  // The value of an entry without a table.
  static constexpr std::string_view kMistaken = ":";

  struct Named {
    std::string table;  // "cdb:/etc/mail/example"
    int line = 0;
  };

  bool usable = false;
  std::string_view file;
  control::Constmap entries = {};  // domain to table; no table: qmail's own rules
  std::vector<Named> named = {};   // every line that names a table, in the order of the file

  // True: certainly no domain is decided by a table.
  [[nodiscard]] bool is_unused() const { return usable && entries.size() == 0; }
};

// Blanks around domain and table do not count.  Adds what is wrong with the lines to `problems`.
[[nodiscard]] VerifyMaps parse_verifymaps(const std::vector<control::ControlLine>& lines,
                                          std::string_view file,
                                          std::vector<control::Problem>& problems);

// What is in force.  Before anything is loaded, nothing is usable.
struct QmailConfig {
  ControlName envnoathost{false, "control/envnoathost"};
  ControlTable locals{false, "control/locals"};
  ControlTable percenthack{false, "control/percenthack"};
  ControlTable virtualdomains{false, "control/virtualdomains"};
  VerifyMaps verifymaps{false, "control/verifymaps"};
  // Its name: each of these characters; may be empty.
  ControlName delimiters{false, "control/recipient_delimiter"};
  ControlTable verifyprobe{false, "control/verifyprobe"};  // its domains, without values
};

// The control files of one qmail home, read when they change.
class ConfigWatch {
 public:
  // Reads nothing yet.  `clock`: end_of_time_ns for a program that reads once.
  explicit ConfigWatch(const std::string& qmailhome,
                       control::WallClock clock = control::wall_clock_ns);
  ConfigWatch(const ConfigWatch&) = delete;
  ConfigWatch& operator=(const ConfigWatch&) = delete;

  // Reads the files that have changed; looks for changes at most once a second.  Adds to `problems`
  // what is wrong and was not reported before; after force(), all that is wrong.
  // Returns changed where a file was read: earlier decisions may no longer hold.
  control::Change refresh(std::int64_t now_us, std::vector<control::Problem>& problems);

  // The next refresh() reads everything, whatever the time (SIGHUP).
  void force();

  // What is in force; the reference stays valid, its contents until the next refresh().
  [[nodiscard]] const QmailConfig& config() const { return config_; }

 private:
  using Lines = std::vector<control::ControlLine>;
  // The first of files_: control/me stands for the other two where they do not exist.
  enum : std::size_t { kMe, kEnvnoathost, kLocals };
  enum class Standing : std::uint8_t { absent, good, bad };
  struct File {
    std::string_view name;  // "control/me"
    std::string path;
    control::Reloaded<control::ControlLines>
        lines;  // as read last; dropped once it has been parsed
    // What to do with the lines of a file that is good, or absent and then has none.
    std::function<void(File&, const Lines&)> use;
    Standing standing = Standing::absent;
    std::vector<control::Problem> problems = {};  // of the last reading
  };

  // none: nothing was read.  changed: file.standing says what came of it.
  static control::Change read(File& file, std::int64_t now_us);
  static void use_name(File& file, const Lines& lines, std::string& name);
  static void use_table(File& file, const Lines& lines, control::Constmap::Form form,
                        ControlTable& table);
  void use_verifyprobe(File& file, const Lines& lines);
  void settle_defaults();
  void report(std::vector<control::Problem>& problems, bool all);

  std::vector<File> files_;
  std::string me_;           // as last read well; empty: never
  std::string envnoathost_;  // likewise, without the default
  std::vector<control::Problem> default_problems_;
  std::vector<control::Problem> reported_;
  bool forced_ = true;
  QmailConfig config_;
};

// Reads everything once.
[[nodiscard]] QmailConfig load_config(const std::string& qmailhome,
                                      std::vector<control::Problem>& problems);

}  // namespace qv::rcpt

#endif  // QV_RCPT_CONFIG_H_
