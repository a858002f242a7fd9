// SPDX-License-Identifier: 0BSD
#include "cache/record.h"

#include <gtest/gtest.h>

namespace qv::cache {
namespace {

struct WholeRow {
  const char* name;
  const char* bytes;
  CacheRecord record;
};

class WholeRecord : public testing::TestWithParam<WholeRow> {};

TEST_P(WholeRecord, ParsesAndIsWrittenTheSame) {
  CacheRecord record;
  ASSERT_EQ(parse_record(GetParam().bytes, record), RecordForm::whole);
  EXPECT_EQ(record, GetParam().record);
  EXPECT_EQ(encode_record(record), GetParam().bytes);
}

INSTANTIATE_TEST_SUITE_P(
    Rows, WholeRecord,
    testing::Values(
        WholeRow{"Ok", "0:0:1700000000:250 ok", {RecipientStatus::ok, 0, 1700000000, "250 ok"}},
        WholeRow{"Defer", "1:0:5:later", {RecipientStatus::defer, 0, 5, "later"}},
        WholeRow{"BounceBeingRefreshed", "2:9:5:no", {RecipientStatus::bounce, 9, 5, "no"}},
        WholeRow{"Todo", "3:9:0:", {RecipientStatus::todo, 9, 0, ""}},
        WholeRow{"ColonsInText", "2:0:5:a:b::c", {RecipientStatus::bounce, 0, 5, "a:b::c"}},
        WholeRow{
            "LargestTime", "0:0:9223372036854775807:x", {RecipientStatus::ok, 0, INT64_MAX, "x"}}),
    [](const auto& row) { return std::string(row.param.name); });

struct DamagedRow {
  const char* name;
  std::string bytes;
};

class DamagedRecord : public testing::TestWithParam<DamagedRow> {};

TEST_P(DamagedRecord, IsSaidToBeSo) {
  CacheRecord record{RecipientStatus::ok, 1, 2, "untouched"};
  const CacheRecord before = record;
  EXPECT_EQ(parse_record(GetParam().bytes, record), RecordForm::damaged);
  EXPECT_EQ(record, before);
}

INSTANTIATE_TEST_SUITE_P(
    Rows, DamagedRecord,
    testing::Values(DamagedRow{"Empty", ""}, DamagedRow{"BothTimesNone", "0:0:0:text"},
                    DamagedRow{"UnknownStatus", "4:0:5:x"},
                    DamagedRow{"NegativeStatus", "-1:0:5:x"}, DamagedRow{"NoStatus", ":0:5:x"},
                    DamagedRow{"LetterInTime", "0:0:5a:x"}, DamagedRow{"BlankInTime", "0:0: 5:x"},
                    DamagedRow{"SignInTime", "0:0:+5:x"}, DamagedRow{"NoTime", "0::5:x"},
                    DamagedRow{"CutBeforeText", "0:0:5"}, DamagedRow{"CutInTimes", "0:0"},
                    DamagedRow{"TimeTooLarge", "0:0:9223372036854775808:x"},
                    DamagedRow{"NulInTime", std::string("0:0:5\0:x", 8)}),
    [](const auto& row) { return std::string(row.param.name); });

TEST(Record, TextIsMadeFitToBeShown) {
  CacheRecord record;
  ASSERT_EQ(parse_record("2:0:5:no\r\nsuch\x80user", record), RecordForm::whole);
  EXPECT_EQ(record.text, "no??such?user");
  record.text = "a\nb\x7f";
  EXPECT_EQ(encode_record(record), "2:0:5:a?b?");
  EXPECT_EQ(safe_text(std::string(1000, 'x')).size(), kMaxCacheText);
}

TEST(Record, KeysFoldCaseAndNeutralizeColons) {
  EXPECT_EQ(cache_key("Bob@[IPv6:2001:DB8::1]"), "bob@[ipv6_2001_db8__1]");
  EXPECT_EQ(domain_key("Example.ORG"), "@example.org");
  EXPECT_EQ(domain_of("a@b@c.example"), "c.example");
  EXPECT_EQ(domain_of("nobody"), "");
}

}  // namespace
}  // namespace qv::cache
