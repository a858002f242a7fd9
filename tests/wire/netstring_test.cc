// SPDX-License-Identifier: 0BSD
#include <gtest/gtest.h>

#include "wire/socketmap.h"

namespace qv::wire {
namespace {

TEST(Netstring, WhatIsWrittenIsReadAgain) {
  for (const std::string& payload :
       {std::string(), std::string("hello"), std::string("\0,:", 3), std::string(70000, 'x')}) {
    std::string bytes;
    append_netstring(bytes, payload);
    const std::string more = bytes + "5:ne";
    std::string_view read;
    std::size_t size = 0;
    ASSERT_EQ(parse_netstring(more, 70000, read, size), Frame::whole);
    EXPECT_EQ(read, payload);
    EXPECT_EQ(size, bytes.size());
  }
}

struct Row {
  const char* bytes;
  Frame frame;
};

TEST(Netstring, TellsPartialFromMalformed) {
  const Row rows[] = {
      {"", Frame::partial},
      {"5", Frame::partial},
      {"5:", Frame::partial},
      {"5:hello", Frame::partial},
      {"5:hello,", Frame::whole},
      {"0:,", Frame::whole},
      {"5:hello;", Frame::malformed},
      {":x,", Frame::malformed},
      {"05:hello,", Frame::malformed},
      {"x", Frame::malformed},
      {"-1:", Frame::malformed},
      {"11", Frame::malformed},
      {"10", Frame::partial},
      {"99999999999", Frame::malformed},
      {"00", Frame::malformed},
      {"5 :hello,", Frame::malformed},
  };
  for (const Row& row : rows) {
    std::string_view payload;
    std::size_t size = 0;
    EXPECT_EQ(parse_netstring(row.bytes, 10, payload, size), row.frame) << row.bytes;
  }
}

}  // namespace
}  // namespace qv::wire
