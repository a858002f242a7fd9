// SPDX-License-Identifier: 0BSD
// rcpt/lookups.h - what a decision asks the system, and nothing more.
//
// The decision (rcpt/decide.h) is a pure function of an address, the control files and these
// look-ups.  An implementation that does not know an answer yet returns `pending`, begins to find
// out, and runs the decision again, from its beginning, when it knows.  The decision asks the same
// questions in the same order each time, so it ends after a bounded number of runs.
//
// An Error always means undecided, never "no".
#ifndef QV_RCPT_LOOKUPS_H_
#define QV_RCPT_LOOKUPS_H_

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/result.h"
#include "maps/owner_table.h"
#include "rcpt/decision.h"

namespace qv::rcpt {

inline constexpr std::size_t kMaxFileName = 255;  // bytes of one component of a path

enum class Look : std::uint8_t { yes, no, pending };

// Where an owner was found.
enum class OwnerSource : std::uint8_t {
  passwd,
  exact,     // users/cdb, the whole local part
  wildcard,  // users/cdb, the beginning of one
};

// Whose mailbox: as users/cdb or passwd has it.  The views live until the next look-up call.
struct Owner {
  std::string_view user;  // login name
  uid_t uid = 0;
  gid_t gid = 0;
  std::string_view home;
  OwnerSource source = OwnerSource::passwd;
  std::string_view matched = {};  // what the key of users/cdb holds, in any case of letters
};

// What a file says.  The view lives until the next look-up call other than find_key().
struct FileText {
  std::string_view bytes;  // at most the first 64 KiB
  bool is_whole = true;
};

// What a table of recipients has.  The views live until the next look-up call.
struct TableHit {
  std::string_view value;
  std::string_view key;     // the key that was found; empty: none
  bool whole_only = false;  // only the whole address was looked up
};

// What the next hop of a relay domain says about an address.
struct NextHopAnswer {
  Why why = Why::probe_error;  // next_hop_accepts, ..., probe_error
  std::string_view text;       // any bytes; lives until the next look-up call
};

class Lookups {
 public:
  virtual ~Lookups() = default;
  Lookups() = default;
  Lookups(const Lookups&) = delete;
  Lookups& operator=(const Lookups&) = delete;

  // The passwd entry of a login name (getpwnam(3)); `owner` is set on yes.  An entry whose home is
  // missing or not absolute has an empty `home`.
  [[nodiscard]] virtual Result<Look> find_user(std::string_view name, Owner& owner) = 0;

  // Does the home directory exist, and is it owned by owner.uid?  Checked as the owner.
  [[nodiscard]] virtual Result<Look> owns_home(const Owner& owner) = 0;

  // Is home/name a regular file (through symbolic links) that the owner may read?  Checked as the
  // owner.  Error: something may be there, and it cannot be looked at.
  // A name begins with ".qmail".  It has no NUL or control character, no component over 255 bytes,
  // and no dot but the first and those that users/cdb put there.  It may hold a '/', as
  // qmail-local's may: ".qmail-a/b" is b in the directory .qmail-a.
  [[nodiscard]] virtual Result<Look> has_file(const Owner& owner, std::string_view name) = 0;

  // What home/name says; `text` is set on yes.  Read as the owner; names and Error as has_file().
  [[nodiscard]] virtual Result<Look> read_file(const Owner& owner, std::string_view name,
                                               FileText& text) = 0;

  // Which of the keys is in the cdb question.name, below the home or absolute?  Looked up as the
  // owner; only `finding`, which is set on yes, leaves the owner's process.  no: there is no such
  // file.  Error: there may be one, and it cannot be used, for example because it is no whole cdb.
  [[nodiscard]] virtual Result<Look> find_key(const Owner& owner,
                                              const maps::TableQuestion& question,
                                              maps::TableFinding& finding) = 0;

  // Does the table `type:name` have this recipient?  It is asked for the keys of
  // maps/address_keys.h.  `hit` is set on yes, and but for its value on no.  Error: the table
  // cannot be asked.
  [[nodiscard]] virtual Result<Look> find_recipient(std::string_view table,
                                                    std::string_view address,
                                                    std::string_view delimiters, TableHit& hit) = 0;

  // What the server that a domain is relayed to says about `address`.  `answer` is set on yes,
  // which does not mean that the server takes the address.  Never no.  Error: no server can be
  // asked.
  [[nodiscard]] virtual Result<Look> ask_next_hop(std::string_view address,
                                                  NextHopAnswer& answer) = 0;

  // No name in the home that begins with ".qmail" is longer than this many bytes: has_file() is not
  // asked about longer ones without a '/'.  A bound, not an answer: 255 where it is not known.
  [[nodiscard]] virtual std::size_t longest_name(const Owner& owner) = 0;
};

}  // namespace qv::rcpt

#endif  // QV_RCPT_LOOKUPS_H_
