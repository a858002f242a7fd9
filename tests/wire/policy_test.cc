// SPDX-License-Identifier: 0BSD
#include "wire/policy.h"

#include <gtest/gtest.h>

namespace qv::wire::policy {
namespace {

const char kRequest[] =
    "request=smtpd_access_policy\n"
    "protocol_state=RCPT\n"
    "protocol_name=ESMTP\n"
    "client_address=192.0.2.1\n"
    "helo_name=h.example\n"
    "sender=s=x@a.example\n"
    "recipient=r@b.example\n"
    "recipient_count=0\n"
    "instance=123.456.7\n"
    "new_attribute=whatever\n"
    "\n";

TEST(Policy, FindsTheEndOfARequestByteByByte) {
  const std::string bytes(kRequest);
  RequestScanner scanner;
  for (std::size_t n = 0; n < bytes.size(); ++n) {
    ASSERT_EQ(scanner.scan(bytes.substr(0, n)), Frame::partial) << n;
  }
  ASSERT_EQ(scanner.scan(bytes + "request=next"), Frame::whole);
  EXPECT_EQ(scanner.size(), bytes.size());
}

TEST(Policy, ReadsWhatItKnows) {
  Request request;
  ASSERT_TRUE(parse_request(kRequest, request));
  EXPECT_EQ(request.request, "smtpd_access_policy");
  EXPECT_EQ(request.protocol_state, "RCPT");
  EXPECT_EQ(request.client_address, "192.0.2.1");
  EXPECT_EQ(request.sender, "s=x@a.example");
  EXPECT_EQ(request.recipient, "r@b.example");
  EXPECT_EQ(request.helo_name, "h.example");
}

TEST(Policy, TheFirstOfANameCounts) {
  Request request;
  ASSERT_TRUE(parse_request("request=x\nrecipient=\nrecipient=evil@b\n\n", request));
  EXPECT_EQ(request.recipient, "");
}

TEST(Policy, TakesLinesThatEndInCrLf) {
  RequestScanner scanner;
  const std::string bytes = "request=x\r\nrecipient=a@b\r\n\r\n";
  ASSERT_EQ(scanner.scan(bytes), Frame::whole);
  Request request;
  ASSERT_TRUE(parse_request(bytes, request));
  EXPECT_EQ(request.recipient, "a@b");
}

TEST(Policy, RefusesWhatIsNoRequest) {
  Request request;
  EXPECT_FALSE(parse_request("\n", request));
  EXPECT_FALSE(parse_request("recipient=a@b\n\n", request));
  EXPECT_FALSE(parse_request("request=x\nno equals sign\n\n", request));
  RequestScanner scanner;
  EXPECT_EQ(scanner.scan(std::string_view("request=\0", 9)), Frame::malformed);
  scanner.reset();
  EXPECT_EQ(scanner.scan(std::string(kMaxRequest, 'x')), Frame::malformed);
}

TEST(Policy, AReplyIsOneCleanLine) {
  std::string out;
  append_reply(out, "REJECT 5.1.1 no\nsuch\x80user");
  EXPECT_EQ(out, "action=REJECT 5.1.1 no?such?user\n\n");
  out.clear();
  append_reply(out, std::string(2000, 'x'));
  EXPECT_EQ(out, "action=" + std::string(kMaxAction, 'x') + "\n\n");
}

}  // namespace
}  // namespace qv::wire::policy
