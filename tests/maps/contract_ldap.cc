// SPDX-License-Identifier: 0BSD
#include "tests/maps/contract.h"
#include "tests/maps/servers.h"

namespace qv::maps {
namespace {

constexpr char kEntries[] =
    "dn: dc=example,dc=org\n"
    "objectClass: dcObject\n"
    "objectClass: organization\n"
    "dc: example\n"
    "o: test\n"
    "\n"
    "dn: uid=user,dc=example,dc=org\n"
    "objectClass: inetOrgPerson\n"
    "uid: user\n"
    "cn: user\n"
    "sn: user\n"
    "mail: user@example.org\n"
    "description: box/\n";

class Table final : public FileContract {
 public:
  Table() : FileContract("ldap", "t.cf", "t.cf") {
    TestServer& server = ldap_server();
    EXPECT_TRUE(server.start());
    // Refused where they are there already.
    static_cast<void>(server.feed(kEntries));
    const std::string where = "server_host = " + server.host() +
                              "\nbind_dn = cn=admin,dc=example,dc=org\nbind_pw = secret\n";
    scratch.write("t.cf",
                  where +
                      "search_base = dc=example,dc=org\nquery_filter = (mail=%s)\n"
                      "result_attribute = description\ntimeout = 1\n",
                  0600);
    damages.push_back(
        {"no server",
         [this] { scratch.write("t.cf", "server_host = ldapi://%2Fnowhere\nsearch_base = x\n"); }});
    damages.push_back({"a wrong password", [this] {
                         scratch.write("t.cf",
                                       "server_host = " + ldap_server().host() +
                                           "\nsearch_base = dc=example,dc=org\nbind_pw = wrong\n"
                                           "bind_dn = cn=admin,dc=example,dc=org\n");
                       }});
    damages.push_back({"no such base", [this, where] {
                         scratch.write("t.cf", where + "search_base = dc=nowhere\n");
                       }});
    damages.push_back({"a server that does not answer", [] { ldap_server().freeze(); }, true});
    kill = [] { ldap_server().kill(); };
    revive = [] { return ldap_server().start(); };
  }
  ~Table() override { ldap_server().thaw(); }
};

const RegisterContract registered(
    "ldap", [] { return std::make_unique<Table>(); }, [] { return ldap_server().missing(); });

}  // namespace
}  // namespace qv::maps
