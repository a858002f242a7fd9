// SPDX-License-Identifier: 0BSD
#include "tests/maps/contract.h"

namespace qv::maps {
namespace {

class Table final : public FileContract {
 public:
  Table() : FileContract("regexp", "t", "t") {
    scratch.write("t",
                  "if /@example\\.org$/\n/^(user)@/ box/\nendif\n"
                  "/^(nul.)$/ is $1\n");
    damages.push_back({"a syntax error", [this] { scratch.write("t", "/user box/\n"); }});
    damages.push_back({"an if without end", [this] { scratch.write("t", "if /x/\n"); }});
  }
};

const RegisterContract registered("regexp", [] { return std::make_unique<Table>(); });

}  // namespace
}  // namespace qv::maps
