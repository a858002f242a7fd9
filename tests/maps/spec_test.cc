// SPDX-License-Identifier: 0BSD
#include "maps/spec.h"

#include <gtest/gtest.h>

namespace qv::maps {
namespace {

std::string joined(std::string_view text) {
  std::vector<std::string_view> elements;
  if (!split_list(text, elements)) return "unbalanced";
  std::string out;
  for (const std::string_view element : elements) out += "<" + std::string(element) + ">";
  return out;
}

TEST(Spec, SplitsTypeAndName) {
  std::string_view type;
  std::string_view name;
  EXPECT_TRUE(split_type("cdb:/etc/a:b", type, name));
  EXPECT_EQ(type, "cdb");
  EXPECT_EQ(name, "/etc/a:b");
  EXPECT_TRUE(split_type("environ:", type, name));
  EXPECT_EQ(name, "");
  for (const char* bad : {"", "cdb", ":x", "/etc/x:y", "CDB:x", "a b:x"}) {
    EXPECT_FALSE(split_type(bad, type, name)) << bad;
  }
}

TEST(Spec, SplitsListsOutsideBraces) {
  EXPECT_EQ(joined(" a:b, c:d\n e:f ,"), "<a:b><c:d><e:f>");
  EXPECT_EQ(joined("static:one,inline:{foo=two, {x = y z}}"),
            "<static:one><inline:{foo=two, {x = y z}}>");
  EXPECT_EQ(joined(""), "");
  EXPECT_EQ(joined("{a"), "unbalanced");
  EXPECT_EQ(joined("a}"), "unbalanced");
}

TEST(Spec, StripsOnlyBracesThatBelongTogether) {
  EXPECT_EQ(strip_braces(" { a b } "), "a b");
  EXPECT_EQ(strip_braces("{a} {b}"), "{a} {b}");
  EXPECT_EQ(strip_braces("a"), "a");
  EXPECT_EQ(strip_braces("{"), "{");
  EXPECT_TRUE(is_braced("{}"));
}

TEST(Spec, SplitsAssignments) {
  std::string_view name;
  std::string_view value;
  EXPECT_TRUE(split_assignment(" a b = c = d ", name, value));
  EXPECT_EQ(name, "a b");
  EXPECT_EQ(value, "c = d");
  EXPECT_FALSE(split_assignment("a", name, value));
  EXPECT_FALSE(split_assignment("= a", name, value));
}

TEST(Spec, AddsASuffixOnce) {
  EXPECT_EQ(with_suffix("/x", ".cdb"), "/x.cdb");
  EXPECT_EQ(with_suffix("/x.cdb", ".cdb"), "/x.cdb");
  EXPECT_EQ(with_suffix("cdb", ".cdb"), "cdb.cdb");
}

}  // namespace
}  // namespace qv::maps
