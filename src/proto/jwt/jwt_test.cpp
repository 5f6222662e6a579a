#include "proto/jwt/jwt.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

namespace weir::jwt {
namespace {

// Keys and signatures made with the openssl command; the private halves are gone.
constexpr const char* rsa_pem =
    "-----BEGIN PUBLIC KEY-----\n"
    "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAnA2+K7/KoN5f/nyfBYe2\n"
    "BI/gIcyudgo92Aid4i9lwIE/KglyhzRAtO9GQFdXrGMoa1PywUJ6SWA/xkxxVOVZ\n"
    "m9yycOhTq3fprv8lP5MOu+HPoWkRQqdIsODYBYCNqnnifUbfzoH/xkPgY+aqX0q/\n"
    "CugIj42pGxlE083UaLfJtEAnQ5wnJzIXwAWpzXro+3q8sa08CytzQNLjODYOKoVA\n"
    "Vhg9M7OTGREQgSvLM7Ffob27GSePq4TCA8KZIo0U6cfQd8T70uBhbcVuZNsX/QGJ\n"
    "Xwky/3+2vyQj/WZdf+c6eww2Z4R2eNvSkP2eqd/bXGKXZXAT6lfo9UBbZJO5Es4g\n"
    "zQIDAQAB\n"
    "-----END PUBLIC KEY-----\n";
constexpr const char* small_rsa_pem =
    "-----BEGIN PUBLIC KEY-----\n"
    "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDGF8EcBrl3TLqOAXledUhrfCAf\n"
    "i6QFju26jIVgtIQhFPQus5dBmgO9hwD1p2ChH9AAtbcswaymR/mmfxGP/nM72/5V\n"
    "t6rN+ri+Cw5KKaDAXT8zPJ3VS5qIW85SjpEkNvqPPn2/hR2hV9BD5PoDGVpNOpuF\n"
    "4CjdMBkTRBUF7FpDwQIDAQAB\n"
    "-----END PUBLIC KEY-----\n";
constexpr const char* p256_pem =
    "-----BEGIN PUBLIC KEY-----\n"
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEezUDWEPvUTPwvbuEY22zJ+hb8+A9\n"
    "0CR39ETbcKeYPv8JCyho4Butbvm+HsaZlT/MXRAxcs47XuYTZ4+uoMKtxg==\n"
    "-----END PUBLIC KEY-----\n";
constexpr const char* p384_pem =
    "-----BEGIN PUBLIC KEY-----\n"
    "MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEAIO0UQCKh234i3qhK3DfTPwfXjQMn2XH\n"
    "IxuKOn6oDbQQQI0L3Ae5OT2hLIbOJXOKuSyub4bMFz3onPEdlHAUZzeLR2Qxpsk3\n"
    "3m/2ZGgZhgO2Z5tjjVUd3SwninAltpZN\n"
    "-----END PUBLIC KEY-----\n";
const std::string payload = "eyJhdWQiOiJodHRwczovL3JlbGF5LmV4YW1wbGUub3JnIiwiZXhwIjoyMDAwMDAwMDAwLCJ0b3BpYyI6ImNhbSJ9";

struct Signed {
    const char *name, *pem, *header, *signature;
    [[nodiscard]] std::string token() const { return header + ("." + payload) + "." + signature; }
};
const Signed all_signed[] = {
    {"rsa RS256", rsa_pem, "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9",
     "lv-uHD21OWndkxFd69FZ1GOoTM-Sq0IuzEwmfG0LU-4pFyhlMCl2SFd4lp2zCbnf6kdSf80v-ZNuyomcwtse3GRXsc"
     "1IbedLAY9BiijpScPuJXaXu5UdhuT8F7CpUZ-90liacicK07vKCOJ9jer0ANt4GydEBBhV1GSqxThZNRgFNuOwEac1"
     "uS92qe1jlXEL1k1nkHEZ_H-7xjI_BTmJyEHOCHvsUT-gEFupRq0RfBt_pXzLbTkjtLs1fqWSmGJQ_y2kbzXgaQWtPT"
     "H8hrNEylDf0OwmuAFGav0TbA8ZTglVLK8aychCJS0AE0h-05z4uiwgv2-yf8jtaO4ApyqhNg"},
    {"rsa RS384", rsa_pem, "eyJhbGciOiJSUzM4NCIsInR5cCI6IkpXVCJ9",
     "Jt4Vkg25ogNP8U9lZ3ZXq60IO-EQ7SGXthAi_HFoEsHuhma8qrPZyPPsOdNzpyml654-fPRmYIjB1Jrw_DbFFoOpW9"
     "715MOKS_qa1MZaX6BKg6QrwKVE99prUtEmq_u0BUK6P5o7-TpbhGm4EPHdbjbniHjvK3JEAJPX5l-E6EJm-qiWk7Xz"
     "bn1NzKCP0nJKSAh23xoCfxf8P5AwkIJU9ETnt6Yi2EdZ9PbsCBLffIdpwF1R8zUyO3meo2NKuT_2VOzadTS6wIUiRB"
     "H9xYX96ri3BcJq22n_jJCw1QVJp3TTw-8UO4r8FrFgpW2MhywZf3jDpletnXsePOknUinMMQ"},
    {"rsa RS512", rsa_pem, "eyJhbGciOiJSUzUxMiIsInR5cCI6IkpXVCJ9",
     "khHALzoY4K_YT-F10g8zKm9KNwaP9j2fCKbbvWb1J4bEX5x2JzmzyeRH4ffEKkwUT_77dHrtwMWDVhjx8M0lbBRqyA"
     "2Bflmx0HI39_SWHXjXV8Qjoc7Y2hp3Ux3oM1JZXR9eU3ez3goXg2YOgLLNuI8CpxSnZsgGRYMkgPXB7Vkfs8a5XTA5"
     "NsWwPoXISvIGVqPTjaUKDD5et5nYxfVXVOu9iXLDG1eRawtzRoC8kbI5C6xQIwN5VAWujlL0yMYJVUUUhN_ZwzCyZk"
     "YKignIZVbiH3Hv0v3dRzeofMM6w4-PtSzTgAPtbvMGWpXOSfYRnSOxXx-2d6LXrDXb4uY3pQ"},
    {"small_rsa RS256", small_rsa_pem, "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9",
     "BgV3DtZICYAaOv1sr4UQtkoIioKEXcGrbfAl5Ck1hRoH2kKkqj5G7GouOTdDe0JZNjG-UcZjhA3Mz0S0u7lv2Kg5PC"
     "oQF_jw-XZEgb3kqt0CxVh-g1QBGoD6dP7kOdyTA41LiSpB1iSzkPSHFCZkWXE4zmLtaAxpFoerXObRtIw"},
    {"p256 ES256", p256_pem, "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCJ9",
     "3qME5PJGda88ny9x8B5JLEPMzpWUyMA8Kts4m6Dhv1vL5Ewi04VF3nsR_tgdaBfW0pcCxT1yoa5c-aD3b8nqsg"},
    {"p384 ES384", p384_pem, "eyJhbGciOiJFUzM4NCIsInR5cCI6IkpXVCJ9",
     "OMBvmgA6YqJM0E5W4IYrS_70idtDcE-z5AvBOokqjjr3EFEoSrT4xL1LRZsdzgy_NMnHVnqgW0I5JQoR3H_lKH4gHT"
     "gSKFFXTW3dKOGvVvfj9XgKzdTDlKv2Js5BzPNO"},
    {"p384 ES256", p384_pem, "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCJ9",
     "F1IcS_Ax7dCh27gTjVZSL5WMkrUNb9Ue243NrbY2BLRY-gGHEFUCFA9p8G2J0KlB71D_ocY2dF_XuNQCxDDwlKYnp3"
     "SmzMGKNK3cV47NL7UtBcjRZsYFCaoaalP2ao6e"},
};
const Signed& signed_as(std::string_view name) {
    for (const auto& s : all_signed)
        if (s.name == name) return s;
    throw std::out_of_range("no such token");
}

constexpr std::int64_t now = 1'900'000'000;
const Key secret_key{Secret("correct horse battery staple"), {}};
Key public_key(const char* pem) {
    return {Secret(), pem};
}

std::string url64(std::string_view bytes) {
    std::string out((bytes.size() + 2) / 3 * 4 + 1, '\0');
    out.resize(static_cast<std::size_t>(EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                                                        reinterpret_cast<const unsigned char*>(bytes.data()),
                                                        static_cast<int>(bytes.size()))));
    std::erase(out, '=');
    for (char& c : out) c = c == '+' ? '-' : c == '/' ? '_' : c;
    return out;
}

/// Any header and payload, signed by OpenSSL itself.
std::string hs(std::string_view header, std::string_view claims, std::string_view secret,
               const EVP_MD* digest = EVP_sha256()) {
    const auto text = url64(header) + "." + url64(claims);
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    HMAC(digest, secret.data(), static_cast<int>(secret.size()), reinterpret_cast<const unsigned char*>(text.data()),
         text.size(), mac, &size);
    return text + "." + url64({reinterpret_cast<const char*>(mac), size});
}
std::string hs256(std::string_view claims) {
    return hs(R"({"alg":"HS256"})", claims, secret_key.secret.reveal());
}

std::string refusal(std::string_view token, const Key& key = secret_key, std::int64_t at = now) {
    const auto got = verify(token, key, at);
    if (got) return "";
    EXPECT_EQ(got.error().code, Errc::denied);
    EXPECT_EQ(ERR_peek_error(), 0u) << "left for the next TLS connection";
    return got.error().what;
}

// RFC 7515 A.1
const std::string rfc_token =
    "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9."
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ."
    "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
Key rfc_key() {
    const std::string octets =
        "\x03\x23\x35\x4b\x2b\x0f\xa5\xbc\x83\x7e\x06\x65\x77\x7b\xa6\x8f\x5a\xb3\x28\xe6\xf0\x54\xc9\x28\xa9\x0f\x84"
        "\xb2\xd2\x50\x2e\xbf\xd3\xfb\x5a\x92\xd2\x06\x47\xef\x96\x8a\xb4\xc3\x77\x62\x3d\x22\x3d\x2e\x21\x72\x05\x2e"
        "\x4f\x08\xc0\xcd\x9a\xf5\x67\xd0\x80\xa3";
    return {Secret(octets), {}};
}

TEST(Jwt, TheExampleOfRfc7515AppendixA1) {
    const auto got = verify(rfc_token, rfc_key(), 1300819379);
    ASSERT_TRUE(got) << got.error().text();
    EXPECT_EQ(got->expires, 1300819380);
    EXPECT_TRUE(got->audience.empty());
    EXPECT_EQ(refusal(rfc_token, rfc_key(), 1300819380), "Token is expired");
}

TEST(Jwt, PR4_EveryClaimThatIsSignedComesBack) {
    Claims claims;
    claims.audience = {"https://relay.example.org", "b"};
    claims.issued = now - 1;
    claims.not_before = now;
    claims.expires = now + 60;
    claims.booking_id = "b\"1";
    claims.topic = "cam/1";
    claims.prefix = "session";
    claims.scopes = {"read", "write"};
    const auto got = verify(sign(claims, secret_key.secret), secret_key, now);
    ASSERT_TRUE(got) << got.error().text();
    EXPECT_EQ(got->audience, claims.audience);
    EXPECT_EQ(got->issued, claims.issued);
    EXPECT_EQ(got->not_before, claims.not_before);
    EXPECT_EQ(got->expires, claims.expires);
    EXPECT_EQ(got->booking_id, claims.booking_id);
    EXPECT_EQ(got->topic, claims.topic);
    EXPECT_EQ(got->prefix, claims.prefix);
    EXPECT_EQ(got->scopes, claims.scopes);
}

TEST(Jwt, WhatIsSignedIsWhatAnyoneWouldSign) {
    Claims claims;
    claims.topic = "x";
    claims.scopes = {"read"};
    EXPECT_EQ(sign(claims, secret_key.secret),
              hs(R"({"alg":"HS256","typ":"JWT"})", R"({"scopes":["read"],"topic":"x"})", secret_key.secret.reveal()));
}

TEST(Jwt, TheLongerHashesServeASecretToo) {
    const auto& secret = secret_key.secret.reveal();
    EXPECT_EQ(refusal(hs(R"({"alg":"HS384"})", "{}", secret, EVP_sha384())), "");
    EXPECT_EQ(refusal(hs(R"({"alg":"HS512"})", "{}", secret, EVP_sha512())), "");
    EXPECT_EQ(refusal(hs(R"({"alg":"HS512"})", "{}", secret, EVP_sha256())), "signature is invalid");
}

TEST(Jwt, PublicKeysOfBothKinds) {
    for (const auto* name : {"rsa RS256", "rsa RS384", "rsa RS512", "p256 ES256", "p384 ES384"}) {
        const auto& s = signed_as(name);
        const auto got = verify(s.token(), public_key(s.pem), now);
        ASSERT_TRUE(got) << name << ": " << got.error().text();
        EXPECT_EQ(got->audience, std::vector<std::string>{"https://relay.example.org"});
        EXPECT_EQ(got->topic, "cam");
        auto other = s.token();
        other[other.size() - 20] = other[other.size() - 20] == 'A' ? 'B' : 'A';
        EXPECT_NE(refusal(other, public_key(s.pem)), "") << name;
    }
}

TEST(Jwt, TheKeySaysWhichMethodsServeAndNeverTheToken) {
    const auto& rs = signed_as("rsa RS256");
    // The classic: the public key, which everybody has, used as if it were a secret.
    EXPECT_EQ(refusal(hs(R"({"alg":"HS256"})", "{}", rs.pem), public_key(rs.pem)), "signing method HS256 is invalid");
    EXPECT_EQ(refusal(rs.token()), "signing method RS256 is invalid");
    EXPECT_EQ(refusal(signed_as("p256 ES256").token(), public_key(rs.pem)), "signing method ES256 is invalid");
    EXPECT_EQ(refusal(rs.token(), public_key(p256_pem)), "signing method RS256 is invalid");
    EXPECT_EQ(refusal(signed_as("p384 ES256").token(), public_key(p384_pem)), "signing method ES256 is invalid");
    EXPECT_EQ(refusal(signed_as("small_rsa RS256").token(), public_key(small_rsa_pem)),
              "signing method RS256 is invalid");
    EXPECT_EQ(refusal(hs256("{}"), Key{}), "signing method HS256 is invalid");
    EXPECT_EQ(refusal(rs.token(), public_key("-----BEGIN nothing")), "the public key to verify with cannot be read");
    EXPECT_EQ(refusal(hs256("{}"), Key{secret_key.secret, rs.pem}), "");
}

TEST(Jwt, AlgNoneInAnySpellingIsRefused) {
    for (const auto* alg : {"none", "None", "NONE", "hs256", "", "HS256\\u0000"}) {
        const auto header = url64(fmt::format(R"({{"alg":"{}"}})", alg));
        EXPECT_NE(refusal(header + "." + url64("{}") + ".").find("is invalid"), std::string::npos) << alg;
    }
    EXPECT_EQ(refusal(url64("{}") + "." + url64("{}") + "."), "signing method (alg) is unspecified");
    EXPECT_EQ(refusal(url64(R"({"alg":1})") + "." + url64("{}") + "."), "signing method (alg) is unspecified");
}

TEST(Jwt, CB3_TheTextsOfTheReferences) {
    EXPECT_EQ(refusal(hs256(fmt::format(R"({{"exp":{}}})", now))), "Token is expired");
    EXPECT_EQ(refusal(hs256(fmt::format(R"({{"exp":{}}})", now + 1))), "");
    EXPECT_EQ(refusal(hs256(fmt::format(R"({{"nbf":{}}})", now + 1))), "Token is not valid yet");
    EXPECT_EQ(refusal(hs256(fmt::format(R"({{"nbf":{}}})", now))), "");
    for (const auto* token : {"", "a", "a.b", "a.b.c.d", "...."})
        EXPECT_EQ(refusal(token), "token contains an invalid number of segments") << token;
}

TEST(Jwt, ADatumMayBeWrittenAsAnyNumberAndNothingElse) {
    EXPECT_EQ(refusal(hs256(R"({"exp":2e9})")), "");
    EXPECT_EQ(refusal(hs256(R"({"exp":1.9e9})")), "Token is expired");
    EXPECT_EQ(refusal(hs256(R"({"exp":1e300})")), "");
    EXPECT_EQ(refusal(hs256(R"({"exp":18446744073709551615})")), "");
    EXPECT_EQ(refusal(hs256(R"({"exp":-1e300})")), "Token is expired");
    EXPECT_EQ(refusal(hs256(R"({"exp":"2000000000"})")), "token has invalid claims: exp is not a number");
    EXPECT_EQ(refusal(hs256(R"({"exp":null})")), "token has invalid claims: exp is not a number");
    EXPECT_EQ(refusal(hs256(R"({"aud":["a",1]})")), "token has invalid claims: aud is not a string");
    EXPECT_EQ(refusal(hs256(R"({"topic":{}})")), "token has invalid claims: topic is not a string");
}

TEST(Jwt, ATokenWithAnyCharacterChangedIsRefused) {
    Claims claims;
    claims.topic = "cam";
    const auto token = sign(claims, secret_key.secret);
    ASSERT_EQ(refusal(token), "");
    for (std::size_t i = 0; i < token.size(); ++i)
        for (const char c : {'A', 'z', '.', '=', ' ', '+', '\0'}) {
            auto other = token;
            if (std::exchange(other[i], c) == c) continue;
            EXPECT_NE(refusal(other), "") << i << ' ' << c;
        }
    EXPECT_NE(refusal(token + "="), "");
    EXPECT_NE(refusal(token + "A"), "");
    EXPECT_NE(refusal(token.substr(0, token.size() - 1)), "");
    EXPECT_EQ(refusal(token.substr(0, token.rfind('.') + 1)), "signature is invalid");
    EXPECT_EQ(refusal(token, Key{Secret("another"), {}}), "signature is invalid");
}

TEST(Jwt, SizeAndDepthAreBounded) {
    const auto nested = [](int depth) {
        return R"({"x":)" + std::string(static_cast<std::size_t>(depth), '[') +
               std::string(static_cast<std::size_t>(depth), ']') + "}";
    };
    EXPECT_EQ(refusal(hs256(nested(15))), "");
    EXPECT_EQ(refusal(hs256(nested(16))), "token is malformed: payload is no JSON object");
    EXPECT_EQ(refusal(url64(nested(3000)) + "." + url64("{}") + ".AA"), "token is malformed: header is no JSON object");
    EXPECT_EQ(refusal(hs256(R"({"x":")" + std::string(5000, 'y') + R"("})")), "");
    EXPECT_EQ(refusal(hs256(R"({"x":")" + std::string(9 * 1024, 'y') + R"("})")), "token above 8192 bytes");
    EXPECT_EQ(refusal(std::string(8193, '.')), "token above 8192 bytes");
}

TEST(Jwt, CriticalExtensionsAreNotUnderstood) {
    EXPECT_EQ(refusal(hs(R"({"alg":"HS256","crit":["b64"],"b64":false})", "{}", secret_key.secret.reveal())),
              "token has critical extensions");
}

TEST(Jwt, APayloadThatIsNoObjectIsRefused) {
    for (const auto* text : {"", "[]", "1", "{", "{} {}", "{\"a\":\"\xff\"}"})
        EXPECT_EQ(refusal(hs256(text)), "token is malformed: payload is no JSON object") << text;
}

constexpr const char* certificate_pem =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBfTCCASOgAwIBAgIUQnlnSHQa31v7vGbE0PxZ610WA7IwCgYIKoZIzj0EAwIw\n"
    "FDESMBAGA1UEAwwJd2Vpci10ZXN0MB4XDTI2MTEyMTIxNDkxOVoXDTM2MTExODIx\n"
    "NDkxOVowFDESMBAGA1UEAwwJd2Vpci10ZXN0MFkwEwYHKoZIzj0CAQYIKoZIzj0D\n"
    "AQcDQgAEVkHAYgmt2ztQ7H3SBAu+1rfSxybDJ0HWmcynfFgCeGb6KHf3vJHPa8ng\n"
    "60v6PAn4ntdDWnBqlgrwqqqPOl/aQ6NTMFEwHQYDVR0OBBYEFP6VU/HmbfWXtE5R\n"
    "wzv8BcrH3+A9MB8GA1UdIwQYMBaAFP6VU/HmbfWXtE5Rwzv8BcrH3+A9MA8GA1Ud\n"
    "EwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDSAAwRQIgIOxXjQaxJEJY03A0HBUMIvb/\n"
    "wioMg4dVKipbJ/xl5/oCIQDyeZspci/ywl0rbXskpHWqKWPc8zYS7vwFMKvqu7bv\n"
    "3g==\n"
    "-----END CERTIFICATE-----\n";
constexpr const char* certified_pem =
    "-----BEGIN PUBLIC KEY-----\n"
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEVkHAYgmt2ztQ7H3SBAu+1rfSxybD\n"
    "J0HWmcynfFgCeGb6KHf3vJHPa8ng60v6PAn4ntdDWnBqlgrwqqqPOl/aQw==\n"
    "-----END PUBLIC KEY-----\n";
constexpr const char* ed25519_pem =
    "-----BEGIN PUBLIC KEY-----\n"
    "MCowBQYDK2VwAyEAuW1qBHT2Gy73iIDjnmlpzegxSztg9HLmNwzf62MH5pU=\n"
    "-----END PUBLIC KEY-----\n";

TEST(JwtKey, IsAPublicKeyOrThatOfACertificate) {
    for (const auto* pem : {rsa_pem, p256_pem, p384_pem, certificate_pem}) {
        const auto key = public_key_of(pem);
        ASSERT_TRUE(key) << key.error().what;
        EXPECT_EQ(*key, pem == certificate_pem ? certified_pem : pem);
    }
}

TEST(JwtKey, WhatNoTokenCouldBeCheckedWithIsRefused) {
    const std::string broken = std::string(rsa_pem).replace(60, 8, "AAAAAAAA");
    for (const auto* pem : {"", "secret", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
                            broken.c_str(), small_rsa_pem, ed25519_pem}) {
        const auto key = public_key_of(pem);
        ASSERT_FALSE(key) << pem;
        EXPECT_EQ(key.error().code, Errc::bad_input);
    }
}

TEST(Jwt, ANumberThatIsNoneIsRefused) {
    for (const char* number : {"0e600", "-0e600"})
        EXPECT_THAT(refusal(hs256(R"({"exp":)" + std::string(number) + "}")), testing::HasSubstr("exp is not a number"))
            << number;
}

TEST(JwtPayload, IsReadWithoutAskingWhoMadeIt) {
    for (const auto* token : {"e30.eyJhIjoxfQ.c2ln", "e30.eyJhIjoxfQ==.", "..", "??.eyJhIjoxfQ.??"}) {
        const auto claims = payload_of(token);
        ASSERT_TRUE(claims) << token;
        EXPECT_EQ(*claims, std::string_view(token) == ".." ? "" : R"({"a":1})");
    }
    for (const auto& token : {std::string("a.b"), std::string("a.b.c.d"), std::string("a.?.c"), std::string("a.b.c"),
                              "a." + std::string(8192, 'A') + ".c"})
        EXPECT_EQ(payload_of(token).error().code, Errc::bad_input);
}

}  // namespace
}  // namespace weir::jwt
