#include "operator/http/url.h"

#include <doctest/doctest.h>

using meshauth::http::Url;

TEST_CASE("a URL is split into origin and target") {
  const auto url = Url::parse("HTTPS://Login.Example.com:8443/oauth2/default?x=1");
  REQUIRE(url);
  CHECK(url->https);
  CHECK(url->host == "login.example.com");
  CHECK(url->port == 8443);
  CHECK(url->target == "/oauth2/default?x=1");
  CHECK(url->text() == "https://login.example.com:8443/oauth2/default?x=1");
}

TEST_CASE("what may be left out has a default") {
  struct Case {
    const char* text;
    const char* want;
    unsigned port;
  };
  for (const Case& c :
       {Case{"https://a.example", "https://a.example/", 443}, Case{"http://a.example", "http://a.example/", 80},
        Case{"https://a.example?q=1", "https://a.example/?q=1", 443},
        Case{"https://a.example:443/x", "https://a.example/x", 443},
        Case{"https://[2001:DB8::1]/x", "https://[2001:db8::1]/x", 443},
        Case{"https://[::1]:9443/x", "https://[::1]:9443/x", 9443},
        Case{"https://127.0.0.1:9443/x", "https://127.0.0.1:9443/x", 9443}}) {
    CAPTURE(c.text);
    const auto url = Url::parse(c.text);
    REQUIRE(url);
    CHECK(url->text() == c.want);
    CHECK(url->port == c.port);
  }
}

TEST_CASE("what is no usable URL is refused") {
  for (const char* text : {"",
                           "example.com",
                           "ftp://a.example/",
                           "https://",
                           "https:///x",
                           "https://a.example:0/",
                           "https://a.example:65536/",
                           "https://a.example:/",
                           "https://a.example:8x/",
                           "https://a.example/#part",
                           "https://a.example/a b",
                           "https://a.example/\r\nHost: b",
                           "https://a.example/\"",
                           "https://[::1/",
                           "https://[::1]x/",
                           "https://[zz]/",
                           "https://[127.0.0.1]/",
                           "https://::1/",
                           "https://user@a.example/",
                           "https://a,b/",
                           "https://a%2eb/"}) {
    CAPTURE(text);
    CHECK_FALSE(Url::parse(text));
  }
  CHECK_FALSE(Url::parse("https://a.example/" + std::string(2048, 'x')));
}

TEST_CASE("a password in a URL never appears in the message about it") {
  const auto url = Url::parse("https://user:hunter2@a.example/");
  REQUIRE_FALSE(url);
  CHECK(url.error().message.find("hunter2") == std::string::npos);
}

TEST_CASE("a Location is read against the URL that answered with it") {
  const auto base = Url::parse("https://a.example:8443/dir/doc?q=1");
  REQUIRE(base);
  struct Case {
    const char* reference;
    const char* want;
  };
  for (const Case& c :
       {Case{"/keys", "https://a.example:8443/keys"}, Case{"keys?x=2", "https://a.example:8443/dir/keys?x=2"},
        Case{"?x=2", "https://a.example:8443/dir/doc?x=2"}, Case{"//b.example/x", "https://b.example/x"},
        Case{"https://b.example/x#frag", "https://b.example/x"}, Case{"", "https://a.example:8443/dir/doc"}}) {
    CAPTURE(c.reference);
    const auto url = base->resolve(c.reference);
    REQUIRE(url);
    CHECK(url->text() == c.want);
  }
  CHECK_FALSE(base->resolve("file:///etc/passwd"));
  CHECK_FALSE(base->resolve("mailto:a@b"));
}

TEST_CASE("origins differ by scheme, host and port") {
  const auto url = Url::parse("https://a.example/x");
  CHECK(url->same_origin(*Url::parse("https://A.example:443/y")));
  CHECK_FALSE(url->same_origin(*Url::parse("http://a.example:443/x")));
  CHECK_FALSE(url->same_origin(*Url::parse("https://b.example/x")));
  CHECK_FALSE(url->same_origin(*Url::parse("https://a.example:444/x")));
}
