// SPDX-License-Identifier: 0BSD
// agent/request.h - what the front may ask an agent, and what an agent may answer.
//
// Both have a fixed size and travel as bodies of messages (process/channel.h) between processes of
// one program, as they lie in memory.  Neither side trusts the other: validate() is the whole
// grammar, and everything outside it is refused before it has any effect.
//
// An agent is one account irrevocably, in the home that root's files give it (agent/agent.h).  A
// request names the account, and the uid, gid and home that the front expects; an agent that
// differs does not answer.
//
//   passwd_index  all of the password file, as a cdb       found+file, unchanged
//   passwd_user   one login name, by the system's NSS      found, absent
//   home_index    names beginning .qmail in a home         found(+file), unchanged, absent
//   home_file     is home/name a readable regular file     found(+file), absent
//   home_table    which of a few keys is in the cdb        found (key, mailbox), absent
//                 home/name, or of an absolute path
//
// No answer holds a record of a table: they contain passwords.
//
// Everything else is a fault with its errno, never absence.
//
// Threads: none.  Tests: tests/agent/request_test.cc, tests/fuzz/fuzz_agent_request.cc
#ifndef QV_AGENT_REQUEST_H_
#define QV_AGENT_REQUEST_H_

#include <sys/types.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>

#include "control/file_stamp.h"
#include "core/result.h"
#include "maps/owner_table.h"

namespace qv::agent {

// Longest home directory and longest name, in bytes, the NUL that ends them included.
inline constexpr std::size_t kMaxPath = 1024;
// Most bytes of all keys of a request, with a NUL behind each: an address of 900 bytes and a user's
// prefix of 255, in three keys.
inline constexpr std::size_t kMaxKeys = 2560;
// Most bytes of a file's contents that home_file returns.
inline constexpr std::size_t kMaxContents = 65536;

enum class Op : std::uint8_t { passwd_index = 1, passwd_user, home_index, home_file, home_table };

// Longest account_name(), in bytes: a key of users/cdb and its kind.
inline constexpr std::size_t kMaxAccount = 2112;

struct Request {
  control::FileStamp have;  // of what the front holds already; none: all zero
  std::uint32_t uid = 0;    // the mailbox owner, for requests about a home; never 0 there
  std::uint32_t gid = 0;
  std::uint16_t home_length = 0;  // without the NUL
  std::uint16_t name_length = 0;
  std::uint16_t keys_length = 0;  // home_table only: with the NUL behind each key
  Op op = Op::passwd_index;
  std::uint8_t want_contents = 0;                    // home_file only: 1 to get the contents
  maps::TableKind table = maps::TableKind::aliases;  // home_table only
  std::uint8_t unused[5] = {};
  std::uint16_t account_length = 0;  // requests about a home only
  char account[kMaxAccount] = {};
  char home[kMaxPath] = {};
  char name[kMaxPath] = {};
  char keys[kMaxKeys] = {};

  [[nodiscard]] std::string_view account_view() const { return {account, account_length}; }
  [[nodiscard]] std::string_view home_view() const { return {home, home_length}; }
  [[nodiscard]] std::string_view name_view() const { return {name, name_length}; }
  [[nodiscard]] std::string_view keys_view() const { return {keys, keys_length}; }
};

enum class Outcome : std::uint8_t { found = 1, absent, unchanged };

struct Response {
  control::FileStamp stamp;  // of the password file, of the home directory, of the file
  std::uint64_t size = 0;    // home_file: of the whole file
  std::uint32_t uid = 0;     // passwd_user: the user's; home_index, found: who owns the directory
  std::uint32_t gid = 0;
  std::int32_t errnum = 0;  // of a fault; 0 where there was none
  std::uint16_t home_length = 0;
  std::uint16_t user_length = 0;
  std::uint8_t failed = 0;  // 1: `fault` holds, `outcome` does not
  Fault fault = Fault::retry;
  Outcome outcome = Outcome::absent;
  std::uint8_t has_file = 0;  // 1: a memory file comes with it, sealed
  std::uint8_t key = 0;       // home_table, found: which, from 1; 0: none is there
  maps::Mailbox mailbox = maps::Mailbox::takes_mail;  // of that key
  std::uint16_t unused = 0;
  char home[kMaxPath] = {};
  char user[kMaxPath] = {};

  [[nodiscard]] std::string_view home_view() const { return {home, home_length}; }
  [[nodiscard]] std::string_view user_view() const { return {user, user_length}; }
};

// No padding, which would carry other bytes of the process's memory.
static_assert(std::has_unique_object_representations_v<Request>);
static_assert(std::has_unique_object_representations_v<Response>);

// ---- making requests (the front) ----------------------------------------------------------------

// The whole password file; `unchanged` where `have` still holds.
[[nodiscard]] Request passwd_index_request(const control::FileStamp& have);

// False for what no user can be called: empty, kMaxPath bytes or more, or with a NUL, ':', '/' or
// newline in it.  Such a user is absent without a request.
[[nodiscard]] bool can_be_login_name(std::string_view name);

// One login name.  Fault::denied where it can be none.
[[nodiscard]] Result<Request> passwd_user_request(std::string_view name);

// Whose home: the account's name for the agent, and the ids and home that the front expects.
struct HomeOwner {
  std::string_view account;  // account_name() (agent/agent.h) made it
  uid_t uid = 0;
  gid_t gid = 0;
  std::string_view home;
};

// The home directory.  Fault::denied for uid 0 or gid 0, for a home that is not absolute, too long
// or has a NUL in it, and for an account that is none.
[[nodiscard]] Result<Request> home_index_request(const HomeOwner& owner,
                                                 const control::FileStamp& have);

enum class Contents : std::uint8_t { not_wanted, wanted };

// home/name.  Fault::denied as above, and for a name that is empty, absolute, too long, has a NUL
// in it or a component ".."; and, where the contents are wanted, for one that does not begin with
// ".qmail".
[[nodiscard]] Result<Request> home_file_request(const HomeOwner& owner, std::string_view name,
                                                Contents contents);

// The keys in the cdb question.name.  Fault::denied as above, but for an absolute name of a
// table of aliases; and for no key, more than kMaxTableKeys, more than kMaxKeys bytes of them, or a
// NUL in one.
[[nodiscard]] Result<Request> home_table_request(const HomeOwner& owner,
                                                 const maps::TableQuestion& question);

// The keys of a request that passed validate(), and their number.  They point into `request`.
std::size_t split_keys(const Request& request,
                       std::array<std::string_view, maps::kMaxTableKeys>& keys);

// ---- reading requests (the agent) and responses (the front) -------------------------------------

// A Request from any bytes; Fault::protocol where the size differs, Fault::denied where a field
// breaks the grammar.  Its home and name are NUL-terminated.
[[nodiscard]] Result<Request> validate(std::string_view message);

// A Response from any bytes; Fault::protocol where they are none.  Its home and user are
// NUL-terminated.
[[nodiscard]] Result<Response> validate_response(std::string_view message);

}  // namespace qv::agent

#endif  // QV_AGENT_REQUEST_H_
