"""The JSON and HTML that the fake FC2 says, in the kinds that were seen (FC2-8, FC2-10, FC2-14, FC2-17, FC2-141)."""
from __future__ import annotations

import base64
import json
from typing import Any

GIFTS = [{"id": 0, "type": 0, "url": ["\\/img\\/gift\\/basic-baloon.png"], "name": "Balloon"},
         {"id": 999, "type": 7, "url": ["\\/img\\/gift\\/ochako.png"], "name": "Ochako"}]


def channel_data(channel_id: str, live: dict[str, Any] | None) -> dict[str, Any]:
    """`live`: title, image, version, start, login_only, fee, ticket_only of what runs now; None: offline, as an unknown channel too."""
    live = live or {}
    return {
        "channelid": channel_id, "userid": channel_id, "adult": 0, "twoshot": 0, "title": live.get("title", ""), "info": live.get("info", ""),
        "image": live.get("image", ""), "login_only": live.get("login_only", 0), "gift_limit": 0, "gift_list": GIFTS,
        "comment_limit": "", "tfollow": 0, "tname": "", "fee": live.get("fee", 0), "amount": 0, "interval": 60, "category": "0",
        "category_name": "Live Broadcast", "is_official": 0, "is_premium_publisher": 0, "is_link_share": 0, "ticketid": 0, "is_premium": 0,
        "ticket_price": 0, "ticket_only": live.get("ticket_only", 0), "is_app": 0, "is_video": 0, "is_rest": 0, "count": 3 if live else 0,
        "total": 5 if live else 0, "is_publish": 1 if live else 0, "is_limited": 0, "start": live.get("start", 0),
        "version": live.get("version", ""),
        "fc2_channel": {"result": 0, "userid": 0, "fc2id": 0, "adult": 0, "title": "", "description": "", "url": "", "images": []},
        "publish_method": "", "video_stereo3d": "", "video_mapping": "", "video_horizontal_view": "",
    }


def member(channel_id: str, name: str, live: dict[str, Any] | None, viewer: str) -> dict[str, Any]:
    return {"status": 1, "data": {
        "channel_data": channel_data(channel_id, live),
        "profile_data": {"userid": channel_id, "fc2id": channel_id, "name": name, "info": "", "icon": "", "image": "", "sex": "", "age": ""},
        "user_data": {"is_login": 1 if viewer else 0, "userid": 10000001 if viewer else "", "fc2id": 20000002 if viewer else "", "icon": "",
                      "name": viewer, "point": 0, "adult_access": 1, "recauth": 0, "is_premium_user": 0,
                      "gift_list": [{"id": 0, "category": 0, "amount": 0}],
                      "stamina": {"timestamp": 1769632347, "stamina": [{"count_limit": 6, "stamina": 6}, []]}},
    }}


def jwt(claims: dict[str, Any], signature: str) -> str:
    """Only the payload is read by anybody; the signature holds whatever shows a leak."""
    def part(value: Any) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")
    return f"{part({'typ': 'JWT', 'alg': 'HS256'})}.{part(claims)}.{signature}"


def control_claims(channel_id: str, version: str, orz: str, viewer: str, expires: int) -> dict[str, Any]:
    return {"channel_id": channel_id, "user_id": 10000001 if viewer else "z00112233445566778899aabbcc", "fc2_id": 20000002 if viewer else "",
            "service_id": 1, "orz_token": orz, "session_token": "0" * 64, "premium": 0, "mode": "play", "language": "ja", "client_type": "pc",
            "client_app": "browser_hls", "client_version": "2.2.1  [1]", "app_install_key": "", "channel_version": version,
            "control_tag": "", "ip": "192.0.2.1", "ipv6": "", "commentable": 1, "user_name": viewer, "adult_access": 1, "agent_id": 0,
            "country_code": "JP", "pay_mode": 0, "exp": expires}


def listed(channel_id: str, name: str, live: dict[str, Any]) -> dict[str, Any]:
    """One entry of allchannellist.php."""
    return {"id": channel_id, "bid": "", "fc2id": int(channel_id), "name": name, "title": live["title"], "image": live["image"],
            "start": "2026/11/21 12:00:00", "start_time": live["start"], "type": 1, "category": 0, "sex": "", "lang": "ja", "count": 3,
            "total": 5, "login": 1 if live["login_only"] == 1 else 0, "pay": live["fee"], "amount": 0, "interval": 60, "price": 0, "tid": 0,
            "video": 0, "app": 0, "official": 0, "comment_l": 0, "comment_score": 0, "deny_country_flg": "", "panorama": 0}


def home_page(viewer: str) -> str:
    if not viewer:
        return '<html><body><a href="/login/">login</a></body></html>'
    return f'<html><body><span class="m-hder01_uName">{viewer}</span><a href="/logout/">logout</a></body></html>'


# The smallest JPEG that its first bytes tell to be one.
JPEG = bytes.fromhex("ffd8ffe000104a46494600010100000100010000ffdb004300") + bytes(64) + bytes.fromhex("ffd9")
