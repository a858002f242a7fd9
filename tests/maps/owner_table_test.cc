// SPDX-License-Identifier: 0BSD
#include "maps/owner_table.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <optional>
#include <string>
#include <vector>

#include "tests/maps/cdb_maker.h"
#include "tests/maps/scratch.h"

namespace qv::maps {
namespace {

using namespace std::string_literals;

class OwnerTable : public testing::Test {
 protected:
  void make(const Records& records) {
    make_cdb(scratch_.path("t.cdb"), records);
    table_.emplace(CdbFile::open(scratch_.path("t.cdb").c_str()).value());
  }
  std::string ask(TableKind kind, const std::vector<std::string_view>& keys) {
    const Result<TableFinding> result = find_first_key(*table_, kind, keys, 1000);
    if (!result.ok()) return result.error().fault == Fault::config ? "config" : "fault";
    const TableFinding& found = result.value();
    if (found.answer == Answer::absent) {
      EXPECT_EQ(found.key, 0);
      return "absent";
    }
    const char* const meanings[] = {"takes", "bounces", "disabled"};
    return std::to_string(found.key) + " " + meanings[static_cast<std::size_t>(found.mailbox)];
  }

  Scratch scratch_;
  std::optional<CdbFile> table_;
};

TEST_F(OwnerTable, TheFirstKeyThatIsThereCounts) {
  make({{"a", ""}, {"b", "x"}});
  EXPECT_EQ(ask(TableKind::aliases, {"a"}), "0 takes");
  EXPECT_EQ(ask(TableKind::aliases, {"x", "b", "a"}), "1 takes");
  EXPECT_EQ(ask(TableKind::aliases, {"x", "y", "a"}), "2 takes");
  EXPECT_EQ(ask(TableKind::aliases, {"x", "y", ""}), "absent");
}

TEST_F(OwnerTable, RecordsOfVpopmail) {
  make({{"bob", "c:1:0:g:/d:q"}, {"no", "c:1:16:g:/d:q"}, {"bad", "c"}});
  EXPECT_EQ(ask(TableKind::vpasswd, {"bob"}), "0 takes");
  EXPECT_EQ(ask(TableKind::vpasswd, {"eve", "no"}), "1 bounces");
  EXPECT_EQ(ask(TableKind::vpasswd, {"bad", "bob"}), "fault") << "the first that is there decides";
  EXPECT_EQ(ask(TableKind::vpasswd, {"eve"}), "absent");
}

TEST_F(OwnerTable, RecordsOfVmailmgr) {
  const auto account = [](const std::string& expiry) {
    return "\1crypt\0./users/x\0\0\0-\0-\0-\0-\0"s + "1\0"s + expiry + "\0"s;
  };
  make({{"ann", account("-")}, {"old", account("1000")}, {"next", account("1001")}, {"bad", "?"}});
  EXPECT_EQ(ask(TableKind::vmailmgr, {"ann"}), "0 takes");
  EXPECT_EQ(ask(TableKind::vmailmgr, {"old", "+"}), "0 disabled");
  EXPECT_EQ(ask(TableKind::vmailmgr, {"next"}), "0 takes");
  EXPECT_EQ(ask(TableKind::vmailmgr, {"bad"}), "fault");
}

TEST_F(OwnerTable, OneThatHoldsNothing) {
  make({});
  EXPECT_EQ(ask(TableKind::aliases, {"a"}), "config");
  EXPECT_EQ(ask(TableKind::vpasswd, {"a"}), "absent") << "a domain without users";
}

TEST_F(OwnerTable, OneThatIsCutShortIsNoAbsence) {
  guard_against_truncation();
  make({{"a", std::string(100'000, 'x')}, {"b", "c:1:0:g:/d:q"}});
  ASSERT_EQ(truncate(scratch_.path("t.cdb").c_str(), 4096), 0);
  EXPECT_EQ(ask(TableKind::vpasswd, {"b"}), "fault");
  EXPECT_EQ(ask(TableKind::vpasswd, {"eve"}), "fault");
}

}  // namespace
}  // namespace qv::maps
