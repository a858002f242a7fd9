// SPDX-License-Identifier: 0BSD
// Relay domains whose next hop is asked.
#include <gtest/gtest.h>

#include "rcpt/decide.h"
#include "tests/fakes/fake_lookups.h"
#include "tests/fakes/test_tree.h"

namespace qv::rcpt {
namespace {

class NextHopTest : public testing::Test {
 protected:
  NextHopTest() {
    tree_.write("control/me", "me.example\n");
    tree_.write("control/percenthack", "me.example\n");
    tree_.write("control/virtualdomains", "v.x.example:joe\nnot.example:\n");
    tree_.write("control/verifyprobe",
                "x.example:127.0.0.1\n.y.example:mx\nnot.example:mx\nme.example:mx\n");
  }
  Decision decide(std::string_view address, Explanation* explanation = nullptr) {
    std::vector<control::Problem> problems;
    const QmailConfig config = load_config(tree_.root(), problems);
    UsersCdb users(tree_.path("users/cdb"));
    static_cast<void>(users.refresh(0, problems));
    system_.asked.clear();
    return rcpt::decide(address, {config, users, system_}, explanation);
  }
  // "reject probe 1 text": verdict, word, position, reply.
  std::string judge(std::string_view address) {
    const Decision decision = decide(address);
    if (decision.pending) return "pending";
    const char* verdicts[] = {"accept", "reject", "defer"};
    return std::string(verdicts[static_cast<int>(decision.verdict())]) + " " +
           std::string(why_word(decision.why)) + " " + std::to_string(decision.position) + " " +
           std::string(decision.verdict() == Verdict::reject ? decision.reply_text() : "");
  }
  std::string asked() const {
    std::string out;
    for (const std::string& question : system_.asked) out += question + "\n";
    return out;
  }

  TestTree tree_;
  FakeLookups system_;
};

TEST_F(NextHopTest, SaysWhatItSays) {
  system_.set_next_hop("joe@x.example", Why::next_hop_accepts, "250 ok");
  system_.set_next_hop("none@x.example", Why::next_hop_refuses, "550 5.1.1 no such user");
  system_.set_next_hop("later@x.example", Why::next_hop_defers, "451 later");
  system_.set_next_hop("any@x.example", Why::accept_all, "");
  system_.set_next_hop("any2@x.example", Why::accept_all_undecided, "");
  system_.set_next_hop("down@x.example", Why::backup_mx, "");
  system_.set_next_hop("soon@x.example", Why::probe_pending, "");
  EXPECT_EQ(judge("joe@x.example"), "accept probe 1 ");
  EXPECT_EQ(judge("none@x.example"), "reject probe 1 550 5.1.1 no such user");
  EXPECT_EQ(judge("later@x.example"), "defer probe 1 ");
  EXPECT_EQ(judge("any@x.example"), "accept accept-all 1 ");
  EXPECT_EQ(judge("any2@x.example"), "defer accept-all 1 ");
  EXPECT_EQ(judge("down@x.example"), "accept backup-mx 1 ");
  EXPECT_EQ(judge("soon@x.example"), "defer probe-pending 1 ");
}

TEST_F(NextHopTest, NobodyToAskIsCannotTellNow) {
  EXPECT_EQ(judge("joe@x.example"), "defer probe-error 1 ");
}

TEST_F(NextHopTest, OnlyListedRelayDomainsAreAsked) {
  for (const char* address : {"a@z.example", "a@y.example", "a@xx.example", "a@sub.x.example"}) {
    EXPECT_EQ(judge(address), "accept relay 1 ") << address;
    EXPECT_EQ(asked(), "") << address;
  }
  // Ours, although they are listed.
  judge("a@me.example");
  EXPECT_EQ(asked().find("hop"), std::string::npos);
  judge("a@v.x.example");
  EXPECT_EQ(asked().find("hop"), std::string::npos);
  // Virtual, but for this one.
  EXPECT_EQ(judge("a@not.example"), "defer probe-error 2 ");
  judge("a@b.c.Y.example");
  EXPECT_EQ(asked(), "hop a@b.c.y.example\n");
}

TEST_F(NextHopTest, IsAskedAboutTheAddressAsRewritten) {
  judge("Joe%X.Example@ME.example");
  EXPECT_EQ(asked(), "hop Joe@x.example\n");
  tree_.write("control/envnoathost", "x.example\n");
  judge("Joe");
  EXPECT_EQ(asked(), "hop Joe@x.example\n");
}

TEST_F(NextHopTest, ItsWordsAreMadeHarmless) {
  system_.set_next_hop("a@x.example", Why::next_hop_refuses, "no\r\n250 ok \x1b\xff");
  EXPECT_EQ(judge("a@x.example"), "reject probe 1 no??250 ok ??");
  system_.set_next_hop("b@x.example", Why::next_hop_refuses, std::string(5000, 'x'));
  EXPECT_EQ(decide("b@x.example").reply_text(), std::string(kMaxReplyText, 'x'));
  system_.set_next_hop("c@x.example", Why::next_hop_refuses, "");
  EXPECT_EQ(decide("c@x.example").reply_text(), smtp_text(Why::next_hop_refuses));
}

TEST_F(NextHopTest, WaitsWhileItIsAsked) {
  system_.set_next_hop("joe@x.example", Why::next_hop_accepts, "");
  system_.answer_late(true);
  EXPECT_EQ(judge("joe@x.example"), "pending");
  EXPECT_EQ(judge("joe@x.example"), "accept probe 1 ");
}

TEST_F(NextHopTest, AFileThatCannotBeUsedLetsNothingThrough) {
  tree_.write("control/verifyprobe", std::string_view("x\0", 2));
  EXPECT_EQ(judge("joe@x.example"), "defer control-error 0 ");
  EXPECT_EQ(judge("a@z.example"), "defer control-error 0 ");
}

TEST_F(NextHopTest, TheExplanationSaysWhoWasAsked) {
  system_.set_next_hop("none@sub.y.example", Why::next_hop_refuses, "550 \x01");
  Explanation steps;
  static_cast<void>(decide("none@sub.y.example", &steps));
  EXPECT_NE(join(steps).find("control/verifyprobe:2: key \".y.example\": the next hop is asked\n"
                             "qmail-probe: \"none@sub.y.example\": 550 ?\n"
                             "verdict: probe: the next hop of this relay domain refuses"),
            std::string::npos)
      << join(steps);
}

}  // namespace
}  // namespace qv::rcpt
