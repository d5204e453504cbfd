#include "core/bundle/wire.h"

#include <doctest/doctest.h>

namespace meshauth::bundle {
namespace {

TEST_CASE("what one side writes the other reads back unchanged") {
  const BundleEvent event{R"({"a":"\n"})", "c2ln", {{"policy.json", "{\"x\":\"\u00e4\n\"}"}, {"auth.conf", ""}}};
  const auto text = encode(event);
  REQUIRE(text);
  CHECK(text->find('\n') == std::string::npos);
  CHECK(decode_bundle_event(*text) == event);

  const PingEvent ping{R"({"sources":{"a":1}})", "c2ln", 1700000000.25};
  CHECK(decode_ping_event(encode(ping)) == ping);

  for (const Outcome outcome : {Outcome::Applied, Outcome::Refused, Outcome::Timeout}) {
    const Ack ack{"00ff", outcome, "worker 7: \"bad\"\n", 12.5, std::nullopt};
    CHECK(decode_ack(encode(ack)) == ack);
  }

  const Report report{
      {{"source", "kid-1"}},
      {{false, "expired", "shop/p", "r", "shop/okta", "allow", "shop/a", 7}, {true, "", "", "", "", "", "", 1}},
      -0.5,
      TrustReport{{std::string(64, 'a'), std::string(64, '0')}, {std::string(64, 'b')}, std::string(64, 'a')}};
  CHECK(decode_report(encode(report)) == report);
  CHECK(decode_report("{}") == Report{});
  // An older reader passes over what it does not know, and so do we.
  CHECK(
      decode_report(R"({"tomorrow":1,"trust":{"signingKeys":[],"certificateAuthorities":[],"signedBy":"","more":[]}})")
          ->trust == TrustReport{});
}

TEST_CASE("a file that JSON cannot carry is an error, not another file") {
  const auto text = encode(BundleEvent{"{}", "", {{"auth.conf", "\xff"}}});
  REQUIRE(!text);
  CHECK(text.error().message == "auth.conf is not UTF-8 and cannot be sent");
}

TEST_CASE("an ack keeps to its bound and to valid JSON whatever nginx printed") {
  const Ack ack{"00", Outcome::Refused, std::string(5000, '\xfe'), {}, {}};
  const auto text = encode(ack);
  CHECK(text.size() < kMaxAckBytes);
  CHECK(decode_ack(text).has_value());
}

TEST_CASE("what is not as it should be is named") {
  struct Case {
    std::string text;
    std::string message;
  };
  const std::string long_text(600, 'x');
  for (const auto& [text, message] : {
           Case{"", "ack is refused: it is not one valid JSON value of allowed size"},
           Case{"[]", "ack is not a JSON object"},
           Case{R"({"revision":"00","revision":"01"})",
                R"(ack is refused: an object has the same member twice: "revision")"},
           Case{R"({"outcome":"applied"})", "ack needs the text \"revision\""},
           Case{R"({"revision":"zz","outcome":"applied","detail":""})", "ack: revision \"zz\" is not hexadecimal"},
           Case{R"({"revision":"00","outcome":"ok","detail":""})",
                "ack: outcome is \"ok\"; one of applied, refused, timeout"},
           Case{R"({"revision":"00","outcome":"applied","detail":"","swapMs":"1"})",
                "ack: swapMs must be a number of at most 1000000000"},
       }) {
    CAPTURE(text);
    const auto ack = decode_ack(text);
    REQUIRE(!ack);
    CHECK(ack.error().message == message);
  }
  CHECK(decode_report(R"({"unknownKids":[{"source":"a"}]})").error().message ==
        "report: an unknown kid needs the text \"kid\"");
  CHECK(decode_report(R"({"unknownKids":[{"source":"a","kid":")" + long_text + "\"}]}").error().message ==
        "report: an unknown kid: kid has 600 bytes; at most 512");
  CHECK(decode_report(R"({"decisions":[{"allow":true,"count":-1}]})").error().message ==
        "report: a decision needs \"allow\" (true or false) and \"count\" (a whole number from 0)");
  const std::string digest(64, 'a');
  for (const std::string& trust :
       {std::string("[]"), std::string(R"({"signingKeys":["x"],"certificateAuthorities":[],"signedBy":""})"),
        R"({"signingKeys":[")" + digest + R"("],"certificateAuthorities":["X"],"signedBy":""})",
        R"({"signingKeys":[],"certificateAuthorities":[],"signedBy":")" + digest + "0\"}",
        std::string(R"({"signingKeys":["","","","","","","","",""],"certificateAuthorities":[],"signedBy":""})")}) {
    CAPTURE(trust);
    const auto report = decode_report("{\"trust\":" + trust + "}");
    REQUIRE(!report);
    CHECK(report.error().message.starts_with("report: trust"));
  }
  CHECK(decode_report(R"({"decisions":{}})").error().message == "report: decisions must be a list of at most 256");
  CHECK(decode_bundle_event(R"({"manifest":"","signature":"","files":{"../x":""}})").error().message ==
        "bundle event holds the file \"../x\", which is no file of a bundle");
  CHECK(!decode_report("{\"a\":\"" + std::string(kMaxReportBytes, 'x') + "\"}"));
}

TEST_CASE("a frame is one server-sent event") {
  CHECK(sse_frame("ping", "", "{}") == "event: ping\ndata: {}\n\n");
  CHECK(sse_frame("bundle", "00", "{}") == "event: bundle\nid: 00\ndata: {}\n\n");
}

TEST_CASE("DNS labels") {
  for (const auto* good : {"a", "a-b", "0", "orders"}) CHECK(is_dns_label(good));
  for (const auto* bad : {"", "-a", "a-", "A", "a.b", "a/b", "a_b"}) CHECK(!is_dns_label(bad));
  CHECK(is_dns_label(std::string(63, 'a')));
  CHECK(!is_dns_label(std::string(64, 'a')));
}

}  // namespace
}  // namespace meshauth::bundle
