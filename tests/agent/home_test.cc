// SPDX-License-Identifier: 0BSD
// The looks themselves, each in a process that has become the owner, where root runs the test.
#include "agent/home.h"

#include <errno.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "maps/cdb_file.h"
#include "maps/cdb_writer.h"
#include "process/channel.h"
#include "process/child.h"
#include "process/memory_file.h"
#include "tests/agent/home_tree.h"

namespace qv::agent {
namespace {

// What `look` finds for the request in a process of its owner's.
template <class Look>
Finding as_owner(const Request& request, Look look) {
  const process::Child child =
      process::start_child({}, [&](const Fd& socket) {
        ASSERT_TRUE(process::become_where_root({request.uid, request.gid}).ok());
        const Finding found = look(request);
        ASSERT_TRUE(process::send_message(socket, 0, 0, process::as_bytes(found.response),
                                          found.file.get(), process::Waiting::allowed)
                        .ok());
      }).value();
  Finding found;
  Result<process::Message> answer =
      process::receive_message(child.socket, process::Waiting::allowed);
  EXPECT_TRUE(answer.ok());
  waitpid(child.pid, nullptr, 0);
  if (!answer.ok()) return found;
  found.response = validate_response(answer.value().body).value();
  found.file = std::move(answer.value().file);
  return found;
}

class HomeLook : public testing::Test {
 protected:
  HomeOwner owner(const std::string& home = "") {
    home_ = home.empty() ? tree_.home() : home;
    return {"p:owner", owner_uid(), owner_gid(), home_};
  }
  Finding look_file(const Request& request) { return as_owner(request, look_at_file); }
  Finding look_home(const Request& request, const ListLimits& limits = ListLimits{}) {
    return as_owner(request, [&limits](const Request& r) { return look_at_home(r, limits); });
  }
  Finding file(const std::string& name, Contents contents = Contents::not_wanted) {
    return look_file(home_file_request(owner(), name, contents).value());
  }
  Finding index(const control::FileStamp& have = control::FileStamp{},
                const ListLimits& limits = ListLimits{}) {
    return look_home(home_index_request(owner(), have).value(), limits);
  }
  static std::string all_of(const Fd& file) {
    std::string text(2 * kMaxContents, '\0');
    const ssize_t got = pread(file.get(), text.data(), text.size(), 0);
    text.resize(got < 0 ? 0 : static_cast<std::size_t>(got));
    return text;
  }
  HomeTree tree_;

 private:
  std::string home_;
};

void expect_outcome(const Finding& finding, Outcome outcome) {
  EXPECT_EQ(finding.response.failed, 0) << "errno " << finding.response.errnum;
  EXPECT_EQ(finding.response.outcome, outcome);
}
void expect_fault(const Finding& finding, int errnum) {
  EXPECT_EQ(finding.response.failed, 1);
  EXPECT_EQ(finding.response.errnum, errnum);
  EXPECT_FALSE(finding.file.valid());
}

TEST_F(HomeLook, AFileIsFoundByNameAndThroughLinks) {
  tree_.write("home/.qmail-x", "");
  tree_.write("elsewhere", "text");
  tree_.link("home/.qmail-link", "../elsewhere");
  tree_.make_directory("home/.qmail-", 0755);
  tree_.write("home/.qmail-/default", "");
  expect_outcome(file(".qmail-x"), Outcome::found);
  const Finding linked = file(".qmail-link");
  expect_outcome(linked, Outcome::found);
  EXPECT_EQ(linked.response.size, 4U);
  EXPECT_FALSE(linked.file.valid());
  expect_outcome(file(".qmail-/default"), Outcome::found);
}

TEST_F(HomeLook, WhatIsNoRegularFileIsAbsent) {
  tree_.make_directory("home/.qmail-dir", 0755);
  tree_.write("home/.qmail-file", "");
  tree_.link("home/.qmail-dangling", "nowhere");
  ASSERT_EQ(mkfifo(tree_.path("home/.qmail-fifo").c_str(), 0644), 0);
  chmod(tree_.path("home/.qmail-fifo").c_str(), 0644);
  const Fd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = tree_.path("home/.qmail-socket");
  ASSERT_LT(path.size(), sizeof address.sun_path);
  memcpy(address.sun_path, path.c_str(), path.size());
  ASSERT_EQ(bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  chmod(path.c_str(), 0666);

  for (const char* name : {".qmail-none", ".qmail-dir", ".qmail-dangling", ".qmail-fifo",
                           ".qmail-socket", ".qmail-file/x", ".qmail-none/x"}) {
    SCOPED_TRACE(name);
    expect_outcome(file(name), Outcome::absent);
  }
  expect_outcome(file(".qmail-" + std::string(300, 'x')), Outcome::absent);
}

TEST_F(HomeLook, WhatCannotBeLookedAtIsAFault) {
  tree_.link("home/.qmail-loop", ".qmail-loop");
  expect_fault(file(".qmail-loop"), ELOOP);
  const auto no_home = home_file_request(owner(tree_.path("gone")), ".qmail", Contents::not_wanted);
  expect_fault(look_file(no_home.value()), ENOENT);
  tree_.write("plain", "");
  const auto no_directory =
      home_file_request(owner(tree_.path("plain")), ".qmail", Contents::not_wanted);
  expect_fault(look_file(no_directory.value()), ENOTDIR);
}

// CVE-2020-3812: root looked where the owner may not, and told.
TEST_F(HomeLook, AsTheOwnerWhatIsNotHisCannotBeSeen) {
  QV_NEEDS_ROOT();
  tree_.make_directory("secret", 0700);
  tree_.write("secret/there", "");
  tree_.link("home/.qmail-there", "../secret/there");
  tree_.link("home/.qmail-missing", "../secret/missing");
  expect_fault(file(".qmail-there"), EACCES);
  expect_fault(file(".qmail-missing"), EACCES);

  tree_.write("home/.qmail-unreadable", "", 0600);
  expect_fault(file(".qmail-unreadable"), EACCES);
  tree_.write("home/.qmail-group", "", 0640);
  expect_fault(file(".qmail-group"), EACCES);
  ASSERT_EQ(chown(tree_.path("home/.qmail-group").c_str(), 0, kGroup), 0);
  expect_outcome(file(".qmail-group"), Outcome::found);

  tree_.set_mode("home", 0000);
  expect_fault(file(".qmail-group"), EACCES);
}

TEST_F(HomeLook, ContentsComeSealedAndBounded) {
  tree_.write("home/.qmail-x", "|/bin/true\n");
  const Finding small = file(".qmail-x", Contents::wanted);
  expect_outcome(small, Outcome::found);
  ASSERT_TRUE(small.file.valid());
  EXPECT_TRUE(process::is_sealed(small.file));
  EXPECT_EQ(all_of(small.file), "|/bin/true\n");
  EXPECT_EQ(small.response.has_file, 1);

  tree_.write("home/.qmail-big", std::string(kMaxContents + 5, 'x'));
  const Finding big = file(".qmail-big", Contents::wanted);
  EXPECT_EQ(all_of(big.file).size(), kMaxContents);
  EXPECT_EQ(big.response.size, kMaxContents + 5);
}

TEST_F(HomeLook, TheIndexHoldsTheNamesThatMatter) {
  tree_.write("home/.qmail", "");
  tree_.write("home/.qmail-default", "");
  tree_.write("home/.qmail-list-default", "");
  tree_.write("home/.bashrc", "");
  tree_.make_directory("home/Maildir", 0700);
  const Finding found = index();
  expect_outcome(found, Outcome::found);
  ASSERT_TRUE(found.file.valid());
  EXPECT_TRUE(process::is_sealed(found.file));
  const maps::CdbFile table = maps::CdbFile::map(Fd(dup(found.file.get()))).value();
  std::string_view value;
  for (const char* name : {".qmail", ".qmail-default", ".qmail-list-default"}) {
    EXPECT_EQ(table.find(name, value).value(), maps::Answer::found) << name;
  }
  for (const char* name : {".bashrc", "Maildir", ".qmail-other", ".qmail-"}) {
    EXPECT_EQ(table.find(name, value).value(), maps::Answer::absent) << name;
  }
  ASSERT_EQ(table.find({}, value).value(), maps::Answer::found);
  const IndexSummary summary = decode_summary(value).value();
  EXPECT_EQ(summary.count, 3U);
  EXPECT_EQ(summary.longest, 19U);
  EXPECT_EQ(summary.longest_default, 19U);
}

TEST_F(HomeLook, AnUnchangedHomeIsNotListedAgain) {
  control::FileStamp have = index().response.stamp;
  EXPECT_EQ(have.settled, 0U) << "it was made a moment ago";
  expect_outcome(index(have), Outcome::found);
  have.settled = 1;  // as if time had passed
  const Finding again = index(have);
  expect_outcome(again, Outcome::unchanged);
  EXPECT_FALSE(again.file.valid());
  tree_.write("home/.qmail-new", "");
  expect_outcome(index(have), Outcome::found);
}

TEST_F(HomeLook, WhoseHomeItIs) {
  const auto missing = home_index_request(owner(tree_.path("gone")), control::FileStamp{}).value();
  expect_outcome(look_home(missing), Outcome::absent);
  tree_.write("plain", "");
  const auto plain = home_index_request(owner(tree_.path("plain")), control::FileStamp{}).value();
  expect_outcome(look_home(plain), Outcome::absent);
  const Finding own = index();
  expect_outcome(own, Outcome::found);
  EXPECT_EQ(own.response.uid, owner_uid());
  // users/cdb may assign a directory that is somebody else's: it is listed all the same.
  const auto strangers = home_index_request({"p:stranger", is_root() ? kStranger : owner_uid(),
                                             owner_gid(), tree_.home()},
                                            control::FileStamp{})
                             .value();
  const Finding others = look_home(strangers);
  expect_outcome(others, Outcome::found);
  EXPECT_EQ(others.response.uid, owner_uid());
  EXPECT_TRUE(others.file.valid());
}

TEST_F(HomeLook, AHomeThatCannotBeReachedIsAFault) {
  QV_NEEDS_ROOT();
  tree_.make_directory("closed", 0700);
  tree_.make_directory("closed/home", 0755);
  tree_.give("closed/home", owner_uid());
  const auto request =
      home_index_request(owner(tree_.path("closed/home")), control::FileStamp{}).value();
  expect_fault(look_home(request), EACCES);
}

// Its files can still be asked for, as qmail-local does.
TEST_F(HomeLook, AHomeThatCannotBeListedIsStillAHome) {
  if (is_root()) {
    tree_.write("home/.qmail-x", "");
    tree_.set_mode("home", 0311);
    const Finding unlisted = index();
    expect_outcome(unlisted, Outcome::found);
    EXPECT_FALSE(unlisted.file.valid());
    EXPECT_EQ(unlisted.response.has_file, 0);
    expect_outcome(file(".qmail-x"), Outcome::found);
    tree_.set_mode("home", 0755);
  }
  tree_.write("home/.qmail-1", "");
  tree_.write("home/.qmail-2", "");
  tree_.write("home/.qmail-3", "");
  const Finding too_many = index(control::FileStamp{}, ListLimits{2, 1000000});
  expect_outcome(too_many, Outcome::found);
  EXPECT_FALSE(too_many.file.valid());
}

class HomeTable : public HomeLook {
 protected:
  Finding table(const std::string& name, maps::TableKind kind,
                const std::vector<std::string_view>& keys) {
    return as_owner(home_table_request(owner(), {name, kind, keys}).value(), look_into_table);
  }
  Finding table(const std::string& name) { return table(name, maps::TableKind::aliases, {"key"}); }
  void write_cdb(const std::string& name, const std::string& value = "value") {
    tree_.write(name, "");
    const Fd file(open(tree_.path(name).c_str(), O_RDWR | O_CLOEXEC));
    maps::CdbWriter writer(file.get());
    ASSERT_TRUE(writer.add("key", value).ok());
    ASSERT_TRUE(writer.finish().ok());
    tree_.set_mode(name, 0600);
    tree_.give(name, owner_uid());
  }
  // The table is there; which of its keys is, and what it means.
  static void expect_key(const Finding& found, int key,
                         maps::Mailbox mailbox = maps::Mailbox::takes_mail) {
    expect_outcome(found, Outcome::found);
    EXPECT_FALSE(found.file.valid()) << "nothing of a table is handed over";
    EXPECT_EQ(found.response.has_file, 0);
    EXPECT_EQ(found.response.key, key);
    EXPECT_EQ(found.response.mailbox, mailbox);
  }
};

TEST_F(HomeTable, SaysWhichKeyItHas) {
  write_cdb("home/t.cdb");
  for (const std::string& name : {std::string("t.cdb"), tree_.path("home/t.cdb")}) {
    expect_key(table(name), 1);
    expect_key(table(name, maps::TableKind::aliases, {"a", "b", "key"}), 3);
    expect_key(table(name, maps::TableKind::aliases, {"a", "b"}), 0);
  }
}

TEST_F(HomeTable, AndWhatTheRecordMeansButNotTheRecord) {
  write_cdb("home/vpasswd.cdb", "secret:1:16:secret:/secret:NOQUOTA");
  const Finding found = table("vpasswd.cdb", maps::TableKind::vpasswd, {"key"});
  expect_key(found, 1, maps::Mailbox::bounces);
  EXPECT_EQ(process::as_bytes(found.response).find("secret"), std::string_view::npos);
  expect_fault(table("vpasswd.cdb", maps::TableKind::vmailmgr, {"key"}), EPROTO);
}

TEST_F(HomeTable, WhatIsNoCdbCannotBeTold) {
  tree_.write("home/text", std::string(4096, 's'));
  tree_.write("home/short", "s");
  tree_.make_directory("home/directory", 0755);
  expect_fault(table("text"), EPROTO);
  expect_fault(table("short"), EPROTO);
  expect_outcome(table("directory"), Outcome::absent);
  expect_outcome(table("missing"), Outcome::absent);
  expect_outcome(table("/dev/null"), Outcome::absent);
}

TEST_F(HomeTable, TheOwnerMustBeAbleToReadIt) {
  QV_NEEDS_ROOT();
  write_cdb("roots.cdb");
  ASSERT_EQ(chown(tree_.path("roots.cdb").c_str(), 0, 0), 0);
  tree_.link("home/link.cdb", "../roots.cdb");
  expect_fault(table("link.cdb"), EACCES);
  expect_fault(table(tree_.path("roots.cdb")), EACCES);
}

}  // namespace
}  // namespace qv::agent
