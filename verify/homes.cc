// SPDX-License-Identifier: 0BSD
#include "verify/homes.h"

#include <unistd.h>

#include <array>
#include <charconv>
#include <string>
#include <utility>

#include "core/fault.h"
#include "core/file.h"
#include "core/text.h"
#include "helper/account.h"

namespace qv {

namespace {

using helper::Outcome;
using helper::Reply;

// The owner as agents know it, by name; a key of users/cdb is in lower case.
class AgentAccount {
 public:
  explicit AgentAccount(const Owner& owner)
      : account_(helper::account_name(
            owner.source, owner.source == OwnerSource::passwd ? owner.user : owner.matched)),
        owner_{{}, owner.uid, helper::group_for_looking(owner.gid), owner.home} {
    for (char& c : account_) c = ascii_lower(c);
    owner_.account = account_;
  }
  AgentAccount(const AgentAccount&) = delete;
  AgentAccount& operator=(const AgentAccount&) = delete;
  [[nodiscard]] const helper::HomeOwner& owner() const { return owner_; }

 private:
  std::string account_;
  helper::HomeOwner owner_;
};

Lane lane_of(const Owner& owner) { return lane_of(LaneKind::owner, owner.uid); }

Result<std::string> read_contents(const Fd& file) {
  std::string bytes(helper::kMaxContents, '\0');
  // Its offset is where the helper stopped writing.
  if (lseek(file.get(), 0, SEEK_SET) != 0) return errno_error("contents");
  QV_TRY(const std::size_t size, read_full(file.get(), bytes.data(), bytes.size()));
  bytes.resize(size);
  bytes.shrink_to_fit();
  return bytes;
}

Result<helper::Request> file_request(const Owner& owner, std::string_view name,
                                     helper::Contents contents) {
  return helper::home_file_request(AgentAccount(owner).owner(), name, contents);
}

}  // namespace

// In a buffer that stays, so that it is not allocated anew for each.
std::string_view Homes::key_of(const Owner& owner, std::initializer_list<std::string_view> rest) {
  std::array<char, 24> ids;
  char* end = std::to_chars(ids.data(), ids.data() + 11, owner.uid).ptr;
  *end++ = ':';
  end = std::to_chars(end, end + 11, owner.gid).ptr;
  key_.assign(ids.data(), end);
  key_.append(":").append(owner.home);
  for (const std::string_view part : rest) key_.append(1, '\0').append(part);
  return key_;
}

void Homes::forget() {
  homes_.forget();
  files_.forget();
  texts_.forget();
  keys_.forget();
}

Result<void> Homes::take_home(Reply reply, Home& home) {
  if (reply.outcome == Outcome::unchanged) return {};
  home.exists = reply.outcome == Outcome::found;
  home.owner = reply.uid;
  home.stamp = reply.stamp;
  home.names.reset();
  if (!reply.file.valid()) return {};
  QV_TRY(CdbFile table, CdbFile::map(std::move(reply.file)));
  std::string_view value;
  QV_TRY(const Answer answer, table.find({}, value));
  if (answer != Answer::found) return Error{Fault::retry, 0, "home index without a summary"};
  QV_TRY(home.summary, helper::decode_summary(value));
  home.names = std::move(table);
  return {};
}

Result<const Homes::Home*> Homes::find_home(const Owner& owner) {
  const auto make = [&owner](const CachedLookup<Home>::Entry& known) {
    const bool has_index = known.value.names && !known.error;
    return helper::home_index_request(AgentAccount(owner).owner(),
                                      has_index ? known.value.stamp : FileStamp{});
  };
  return homes_.find_by_helper(key_of(owner, {}), lane_of(owner), make, take_home);
}

Result<Look> Homes::owns_home(const Owner& owner) {
  QV_TRY(const Home* home, find_home(owner));
  if (home == nullptr) return Look::pending;
  return home->exists && home->owner == owner.uid ? Look::yes : Look::no;
}

std::size_t Homes::longest_name(const Owner& owner) {
  const Home* home = homes_.known(key_of(owner, {}));
  return home != nullptr && home->names ? home->summary.longest : kMaxFileName;
}

Result<void> Homes::take_file(Reply reply, File& file) {
  file.exists = reply.outcome == Outcome::found;
  return {};
}

Result<void> Homes::take_text(Reply reply, File& file) {
  file.bytes.clear();
  file.exists = reply.outcome == Outcome::found;
  if (!file.exists) return {};
  QV_TRY(file.bytes, read_contents(reply.file));
  file.is_whole = reply.size <= file.bytes.size();
  return {};
}

Result<Look> Homes::has_file(const Owner& owner, std::string_view name) {
  QV_TRY(const Home* home, find_home(owner));
  if (home == nullptr) return Look::pending;
  // A mailbox owner's home that is not there is more likely not mounted than gone (qmail-local
  // defers such a delivery, too).
  if (!home->exists) return Error{Fault::retry, ENOENT, "home directory"};
  if (home->names) {
    std::string_view unused;
    const std::string_view entry = first_bytes(name, find_byte(name, '/'));
    QV_TRY(const Answer listed, home->names->find(entry, unused));
    if (listed == Answer::absent) return Look::no;
  }
  const auto make = [&](const auto&) {
    return file_request(owner, name, helper::Contents::not_wanted);
  };
  QV_TRY(const File* file,
         files_.find_by_helper(key_of(owner, {name}), lane_of(owner), make, take_file));
  if (file == nullptr) return Look::pending;
  return file->exists ? Look::yes : Look::no;
}

Result<Look> Homes::read_file(const Owner& owner, std::string_view name, FileText& text) {
  const auto make = [&](const auto&) {
    return file_request(owner, name, helper::Contents::wanted);
  };
  QV_TRY(const File* file,
         texts_.find_by_helper(key_of(owner, {name}), lane_of(owner), make, take_text));
  if (file == nullptr) return Look::pending;
  text = {file->bytes, file->is_whole};
  return file->exists ? Look::yes : Look::no;
}

Result<void> Homes::take_key(Reply reply, Key& key) {
  key.has_table = reply.outcome == Outcome::found;
  key.finding = reply.table;
  return {};
}

Result<Look> Homes::find_key(const Owner& owner, const TableQuestion& question,
                             TableFinding& finding) {
  const auto make = [&](const auto&) {
    return helper::home_table_request(AgentAccount(owner).owner(), question);
  };
  const char kind = static_cast<char>('0' + static_cast<int>(question.kind));
  key_of(owner, {question.name, std::string_view(&kind, 1)});
  for (const std::string_view key : question.keys) key_.append(1, '\0').append(key);
  QV_TRY(const Key* key, keys_.find_by_helper(key_, lane_of(owner), make, take_key));
  if (key == nullptr) return Look::pending;
  finding = key->finding;
  return key->has_table ? Look::yes : Look::no;
}

}  // namespace qv
