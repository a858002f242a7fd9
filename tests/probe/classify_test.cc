// SPDX-License-Identifier: 0BSD
#include <gtest/gtest.h>

#include "probe/callout.h"

namespace qv::probe {
namespace {

struct Row {
  const char* line;
  cache::RecipientStatus status;
};

class Rcpt : public testing::TestWithParam<Row> {};

TEST_P(Rcpt, IsClassified) {
  wire::SmtpReplyDecoder decoder;
  const std::string line = std::string(GetParam().line) + "\r\n";
  std::string_view bytes = line;
  ASSERT_EQ(decoder.take(bytes), wire::Frame::whole);
  EXPECT_EQ(classify_rcpt(decoder.reply()), GetParam().status) << GetParam().line;
}

constexpr auto kOk = cache::RecipientStatus::ok;
constexpr auto kBounce = cache::RecipientStatus::bounce;
constexpr auto kDefer = cache::RecipientStatus::defer;

INSTANTIATE_TEST_SUITE_P(
    Rows, Rcpt,
    testing::Values(Row{"250 2.1.5 Ok", kOk}, Row{"250 ok", kOk}, Row{"251 will forward", kOk},
                    Row{"252 cannot verify, will take", kOk}, Row{"253 what", kDefer},
                    Row{"220 what", kDefer}, Row{"354 go on", kDefer},
                    Row{"550 5.1.1 unknown", kBounce}, Row{"550 unknown", kBounce},
                    Row{"551 not here", kBounce}, Row{"553 no such mailbox", kBounce},
                    Row{"554 5.1.1 unknown", kBounce}, Row{"501 5.1.3 syntax", kBounce},
                    Row{"550 5.1.6 moved", kBounce}, Row{"556 5.1.10 null MX", kBounce},
                    Row{"550 5.2.1 disabled", kBounce}, Row{"550 5.0.0 unknown", kBounce},
                    Row{"550 5.1.0 rejected", kBounce}, Row{"554 5.0.0 failed", kDefer},
                    Row{"550 5.7.1 blocked", kDefer}, Row{"554 5.7.1 access denied", kDefer},
                    Row{"553 5.7.1 relaying denied", kDefer}, Row{"552 5.2.2 over quota", kDefer},
                    Row{"550 5.2.2 over quota", kDefer}, Row{"550 5.4.1 access denied", kDefer},
                    Row{"550 5.1.8 bad sender", kDefer}, Row{"550 5.1.2 bad domain", kDefer},
                    Row{"550 4.1.1 contradicts itself", kDefer},
                    Row{"550 2.1.5 contradicts itself", kDefer}, Row{"554 no", kDefer},
                    Row{"552 full", kDefer}, Row{"503 sequence", kDefer}, Row{"500 what", kDefer},
                    Row{"450 later", kDefer}, Row{"450 5.1.1 contradicts itself", kDefer},
                    Row{"451 4.3.0 trouble", kDefer}, Row{"421 closing", kDefer}));

}  // namespace
}  // namespace qv::probe
