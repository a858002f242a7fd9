// SPDX-License-Identifier: 0BSD
#include "tests/maps/contract.h"

namespace qv::maps {
namespace {

class Table final : public FileContract {
 public:
  Table() : FileContract("pcre", "t", "t") {
    scratch.write("t",
                  "if /@example\\.org$/E\n/^(user)@/ box/\nendif\n"
                  "/^(nul.)$/ is $1\n");
    nul_key = std::string("nul\0", 4);
    nul_value = "is " + nul_key;
    damages.push_back({"a syntax error", [this] { scratch.write("t", "/user box/\n"); }});
    damages.push_back({"an if without end", [this] { scratch.write("t", "if /x/\n"); }});
  }
};

const RegisterContract registered("pcre", [] { return std::make_unique<Table>(); });

}  // namespace
}  // namespace qv::maps
