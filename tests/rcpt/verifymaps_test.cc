// SPDX-License-Identifier: 0BSD
#include <gtest/gtest.h>

#include "rcpt/config.h"

namespace qv::rcpt {
namespace {

class VerifyMapsTest : public testing::Test {
 protected:
  void parse(std::string_view text) {
    std::vector<control::ControlLine> lines;
    ASSERT_TRUE(control::parse_control_text(text, lines));
    std::vector<control::Problem> problems;
    maps_ = parse_verifymaps(lines, "control/verifymaps", problems);
    wrong_.clear();
    for (const control::Problem& problem : problems) wrong_ += std::to_string(problem.line) + " ";
  }
  std::string table(std::string_view domain) {
    const auto entry = maps_.entries.find(domain);
    return entry ? std::string(entry->value) : "none";
  }
  std::string named() {
    std::string out;
    for (const VerifyMaps::Named& each : maps_.named) {
      out += std::to_string(each.line) + " " + each.table + "\n";
    }
    return out;
  }

  VerifyMaps maps_;
  std::string wrong_;  // lines with mistakes
};

TEST_F(VerifyMapsTest, NamesTablesByDomain) {
  parse(
      "# ours\nexample.org:cdb:/a\n.Example.org : proxy:pgsql:/b \nown.example:\n"
      "b.example:{inline:{a@b.example=x, c@b.example=y}}\r\n:lmdb:/all\n");
  EXPECT_EQ(wrong_, "");
  EXPECT_TRUE(maps_.usable);
  EXPECT_FALSE(maps_.is_unused());
  EXPECT_EQ(table("EXAMPLE.org"), "cdb:/a");
  EXPECT_EQ(table(".example.org"), "proxy:pgsql:/b");
  EXPECT_EQ(table("own.example"), "");
  EXPECT_EQ(table("b.example"), "{inline:{a@b.example=x, c@b.example=y}}");
  EXPECT_EQ(table(""), "lmdb:/all");
  EXPECT_EQ(named(),
            "2 cdb:/a\n3 proxy:pgsql:/b\n5 {inline:{a@b.example=x, c@b.example=y}}\n6 lmdb:/all\n");
}

TEST_F(VerifyMapsTest, AnEmptyFileIsNotUsed) {
  EXPECT_FALSE(maps_.is_unused()) << "nothing has been read";
  parse("# nothing\n");
  EXPECT_TRUE(maps_.is_unused());
}

TEST_F(VerifyMapsTest, ADomainWithoutATableCannotBeTold) {
  parse("nocolon.example\npath.example:/etc/x\nword.example:cdb\nu.example:CDB:/x\n");
  EXPECT_EQ(wrong_, "1 2 3 4 ");
  for (const char* domain : {"nocolon.example", "path.example", "word.example", "u.example"}) {
    EXPECT_EQ(table(domain), VerifyMaps::kMistaken) << domain;
  }
  EXPECT_EQ(named(), "");
}

TEST_F(VerifyMapsTest, WhatCannotMatchIsAMistake) {
  parse("joe@a.example:cdb:/x\na b.example:cdb:/x\n/etc/x:cdb:/x\n");
  EXPECT_EQ(wrong_, "1 2 3 ");
}

TEST_F(VerifyMapsTest, OfTwoLinesTheLaterCountsAndTheOtherIsAMistake) {
  parse("a.example:cdb:/x\nA.example:cdb:/y\n");
  EXPECT_EQ(wrong_, "1 ");
  EXPECT_EQ(table("a.example"), "cdb:/y");
}

}  // namespace
}  // namespace qv::rcpt
