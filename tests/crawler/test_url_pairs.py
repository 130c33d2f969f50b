"""The table of pairs: which two addresses are one link, and which are not. By rule, both ways."""

from __future__ import annotations

import pytest

from webtext.crawler.reddit.urls import identity_form, url_key

E = "http://x.example"

SAME = [
    # scheme
    (E + "/a", "https://x.example/a"), ("HTTP://x.example/a", "https://x.example/a"), (E, "https://x.example"),
    # www.
    (E + "/a", "http://www.x.example/a"), (E, "https://www.x.example/"), (E + "/", "HTTPS://WWW.X.EXAMPLE"),
    ("http://www.a.x.example/", "http://a.x.example/"),
    # default ports, of either scheme
    (E + "/a", "http://x.example:80/a"), (E + "/a", "https://x.example:443/a"), (E + "/a", "http://x.example:443/a"),
    (E + "/a", "https://x.example:80/a"), (E + ":8080/a", "https://www.x.example:8080/a"),
    (E + "/a", "http://x.example:/a"),
    ("http://[::1]:80/", "https://[::1]/"), ("http://x.example:00080/a", E + "/a"),
    # trailing slashes
    (E, E + "/"), (E + "/a", E + "/a/"), (E + "/a", E + "/a//"), (E + "/a?b=1", E + "/a/?b=1"),
    (E + "?b=1", E + "/?b=1"),
    # fragments
    (E + "/a", E + "/a#top"), (E + "/a", E + "/a#"), (E + "/a?b=1", E + "/a?b=1#c?d=2"), (E, E + "/#!/page"),
    (E + "/a", E + "/a/#:~:text=word"),
    # case, dots and spelling of hosts
    (E + "/a", "http://X.Example/a"), (E + "/a", "http://x.example./a"), (E + "/a", "http://\uff58.example/a"),
    ("http://bücher.example/", "http://xn--bcher-kva.example/"), ("http://BÜCHER.example/", "http://bücher.example/"),
    ("http://faß.example/", "http://xn--fa-hia.example/"), ("http://日本。example/", "http://日本.example/"),
    ("http://x%2Eexample/a", E + "/a"), ("http://x\u00ad.example/a", E + "/a"),
    # addresses
    ("http://1.1.1.1/", "http://16843009/"), ("http://1.1.1.1/", "http://0x01010101/"),
    ("http://1.1/", "http://1.0.0.1/"),
    ("http://[2606:4700::1]/", "http://[2606:4700:0:0:0:0:0:1]/"),
    ("http://[2606:4700::A]/", "http://[2606:4700::a]/"),
    # paths
    (E + "/a/b", E + "/a/./b"), (E + "/b", E + "/a/../b"), (E + "/a", E + "/../a"), (E + "/b", E + "/a/%2e%2e/b"),
    (E + "/a", "http:\\\\x.example\\a"), (E + "/a", "http:x.example/a"), (E + "/a", "http:/x.example/a"),
    (E + "/a", "http:////x.example/a"), (E + "/a", " \n" + E + "/a\t"), (E + "/ab", E + "/a\nb"),
    (E + "/ab", E + "/a\tb"),
    # percent encoding (RFC 3986, section 6.2.2)
    (E + "/~a", E + "/%7Ea"), (E + "/a-b_c.d", E + "/%61%2Db%5fc%2Ed"), (E + "/%C3%A4", E + "/%c3%a4"),
    (E + "/ä", E + "/%C3%A4"), (E + "/a b", E + "/a%20b"), (E + "/日本", E + "/%E6%97%A5%E6%9C%AC"),
    (E + "?q=ä", E + "/?q=%c3%a4"), (E + "?q=%61", E + "/?q=a"), (E + '/"a"', E + "/%22a%22"),
    (E + "/<a>", E + "/%3Ca%3E"),
    # the order of parameters
    (E + "?a=1&b=2", E + "?b=2&a=1"), (E + "?a=1&a=2", E + "?a=2&a=1"), (E + "?b&a", E + "?a&b"),
    (E + "/p?c=3&a=1&b=2", E + "/p/?b=2&c=3&a=1"),
    # empty parameters
    (E, E + "?"), (E + "?a=1", E + "?&a=1"), (E + "?a=1", E + "?a=1&"), (E + "?a=1&b=2", E + "?a=1&&b=2"),
    (E, E + "?&&"),
    # tracking
    (E + "/a", E + "/a?utm_source=reddit"), (E + "/a", E + "/a?utm_medium=x&utm_campaign=y&utm_term=z&utm_content=w"),
    (E + "/a", E + "/a?UTM_SOURCE=reddit"), (E + "/a", E + "/a?utm_anything=1"),
    (E + "/a?id=1", E + "/a?id=1&utm_id=2"),
    (E + "/a?id=1", E + "/a?utm_source=x&id=1"), (E + "/a", E + "/a?fbclid=IwAR0"),
    (E + "/a", E + "/a?gclid=x&dclid=y"),
    (E + "/a", E + "/a?gbraid=x&wbraid=y&gad_source=1"), (E + "/a", E + "/a?msclkid=1"), (E + "/a", E + "/a?yclid=1"),
    (E + "/a", E + "/a?twclid=1&ref_src=twsrc%5Etfw"), (E + "/a", E + "/a?igshid=1"), (E + "/a", E + "/a?igsh=1"),
    (E + "/a", E + "/a?mc_cid=1&mc_eid=2"), (E + "/a", E + "/a?_ga=1&_gl=2"), (E + "/a", E + "/a?mkt_tok=1"),
    (E + "/a", E + "/a?_hsenc=1&_hsmi=2"), (E + "/a", E + "/a?pk_campaign=1"), (E + "/a", E + "/a?mtm_source=1"),
    (E + "/a", E + "/a?ttclid=1&li_fat_id=2&rdt_cid=3"), (E + "/a", E + "/a?utm_source"),
    (E + "/a", E + "/a?utm%5Fsource=1"),
    (E + "/a", E + "/a?srsltid=1"), (E + "/a", E + "/a?s_cid=1"),
    (E + "/a", E + "/a?guce_referrer=1&guce_referrer_sig=2"),
    (E + "/a", E + "/a?vero_id=1&oly_anon_id=2"), (E + "/a", E + "/a?fb_action_ids=1&fb_ref=2"),
    # what Reddit escapes
    (E + "?a=1&b=2", E + "?a=1&amp;b=2"), (E + "?a=1&b=2", E + "?a=1&amp;amp;b=2"),
    (E + "?a=1&b=2", E + "?a=1&amp%3Bb=2"),
    (E + "/a", E + "/a?utm_source=x&amp;utm_medium=y"), (E + "?q=<", E + "?q=&lt;"), (E + "?q=>", E + "?q=&gt;"),
    (E + "?a=1", E + "?a=1&amp;"),
    # all at once
    ("https://www.X.example:443/a/?utm_source=r&amp;b=2&amp;a=1#f", E + "/a?a=1&b=2"),
]  # fmt: skip

OTHER = [
    # hosts
    (E, "http://y.example"), (E, "http://m.x.example"), (E, "http://www2.x.example"), (E, "http://wwwx.example"),
    (E, "http://a.x.example"), ("http://www.com/", "http://com/"), (E, "http://x.example.com"),
    (E, "http://xexample"),
    ("http://bücher.example/", "http://bucher.example/"), ("http://faß.example/", "http://fass.example/"),
    ("http://\u0430.example/", "http://a.example/"),  # a Cyrillic letter
    ("http://1.1.1.1/", "http://1.1.1.2/"), ("http://[::1]/", "http://[::2]/"), (E, "http://x.example.org"),
    ("http://amp.x.example/a", E + "/a"), ("http://a-b.example/", "http://ab.example/"),
    # ports
    (E, "http://x.example:81"), (E + ":8080", "http://x.example:8081"), (E, "http://x.example:8443"),
    (E, "http://x.example:4430"),
    # paths
    (E, E + "/a"), (E + "/a", E + "/A"), (E + "/a", E + "/b"), (E + "/a", E + "/a/b"), (E + "/a/b", E + "/a%2Fb"),
    (E + "/a", E + "/a.html"), (E, E + "/index.html"), (E + "/a", E + "//a"), (E + "/a//b", E + "/a/b"),
    (E + "/a", E + "/a;v=1"), (E + "/a", E + "/a."), (E + "/a", E + "/a%20"), (E + "/a+b", E + "/a%20b"),
    (E + "/a+b", E + "/a%2Bb"), (E + "/%2e", E + "/%252e"), (E + "/ä", E + "/a"), (E + "/é", E + "/e\u0301"),
    (E + "/a", E + "/www.a"), (E + "/a", E + "/a/amp"), (E + "/a", E + "/a,"), (E + "/a)", E + "/a"),
    (E + "/%zz", E + "/%ZZ"),
    (E + "/a%26b", E + "/a&b"), (E + "/http://y.example", E + "/http:/y.example"), (E + "/a:80", E + "/a"),
    # parameters
    (E + "/a", E + "/a?b"), (E + "/a", E + "/a?id=1"), (E + "?id=1", E + "?id=2"), (E + "?id=1", E + "?ID=1"),
    (E + "?id=a", E + "?id=A"), (E + "?a=1", E + "?a=1&b=2"), (E + "?a=1", E + "?a=1&a=1"), (E + "?a", E + "?a="),
    (E + "?a=1&b=2", E + "?a=2&b=1"), (E + "?a=1", E + "/a=1"), (E + "?a=b=c", E + "?a=b"),
    (E + "?a%26b=1", E + "?a&b=1"),
    (E + "?a=1%262", E + "?a=1&2"), (E + "?a+b", E + "?a%2Bb"), (E + "?a;b", E + "?a&b"),
    (E + "?a=1;b=2", E + "?a=1&b=2"),
    (E + "?a[]=1", E + "?a=1"), (E + "?a=/", E + "?a="), (E + "?a=1/", E + "?a=1"), (E + "?q=%2523", E + "?q=%23"),
    # what only looks like tracking
    (E + "/a", E + "/a?source=reddit"), (E + "/a", E + "/a?ref=reddit"), (E + "/a", E + "/a?utm=1"),
    (E + "/a", E + "/a?id=utm_source"),
    (E + "/a", E + "/a?xutm_source=1"), (E + "/a", E + "/a?campaign=1"), (E + "/a", E + "/a?from=rss"),
    (E + "/a", E + "/a?share=1"),
    (E + "/a", E + "/a?gclid2=1"), (E + "/a", E + "/a?fb=1"), (E + "/a", E + "/a?page=utm"),
    (E + "/a", E + "/utm_source=1"),
    (E + "/a", E + "/a?cid=1"), (E + "/a", E + "/a?s=1"), (E + "/a", E + "/a?v=1"), (E + "/a", E + "/a?_=1"),
    # entities that Reddit does not write
    (E + "?a=1&copy=2", E + "?a=1©=2"), (E + "?a=&quot;", E + "?a=%22"), (E + "?a=1&lt=2", E + "?a=1<=2"),
    (E + "?a=&#38;b", E + "?a=&b"), (E + "/a&amp;b", E + "/a&amp;c"),
    # what is no usable address is compared as text
    ("ftp://x.example/a", E + "/a"), ("ftp://x.example/a", "ftp://x.example/b"),
    ("mailto:a@x.example", "mailto:b@x.example"),
    ("http://u:p@x.example/", E), ("not a url", "not a URL"), ("", " "),
]  # fmt: skip


def test_the_table_is_long_enough_and_holds_no_pair_twice() -> None:
    pairs = [frozenset(pair) for pair in (*SAME, *OTHER)]
    assert len(SAME) >= 75 and len(OTHER) >= 75 and len(pairs) >= 150
    assert len(set(pairs)) == len(pairs)


@pytest.mark.parametrize(("one", "other"), SAME)
def test_one_link(one: str, other: str) -> None:
    assert identity_form(one) == identity_form(other)
    assert url_key(one) == url_key(other)


@pytest.mark.parametrize(("one", "other"), OTHER)
def test_two_links(one: str, other: str) -> None:
    assert url_key(one) != url_key(other)
