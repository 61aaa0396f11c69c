"""Published output of tunnel programs; redacted names stay redacted."""

# cloudflared 2025.4.2, 2025-05-08: https://github.com/cloudflare/cloudflared/issues/1466
CLOUDFLARED = """\
2025-05-08T20:24:28Z INF Thank you for trying Cloudflare Tunnel. Doing so, without a Cloudflare \
account, is a quick way to experiment and try it out. However, be aware that these account-less \
Tunnels have no uptime guarantee, are subject to the Cloudflare Online Services Terms of Use \
(https://www.cloudflare.com/website-terms/), and Cloudflare reserves the right to investigate your \
use of Tunnels for violations of such terms. If you intend to use Tunnels in production you should \
use a pre-created named tunnel by following: \
https://developers.cloudflare.com/cloudflare-one/connections/connect-apps
2025-05-08T20:24:28Z INF Requesting new quick Tunnel on trycloudflare.com...
2025-05-08T20:24:34Z INF +--------------------------------------------------------------------------------------------+
2025-05-08T20:24:34Z INF |  Your quick Tunnel has been created! Visit it at (it may take some time to be reachable):  |
2025-05-08T20:24:34Z INF |  https://pda-cameron-emirates-cardiff.trycloudflare.com                                    |
2025-05-08T20:24:34Z INF +--------------------------------------------------------------------------------------------+
"""  # noqa: E501
CLOUDFLARED_ADDRESS = "https://pda-cameron-emirates-cardiff.trycloudflare.com"

# cloudflared, version not given, 2026-05-29: https://github.com/decolua/9router/issues/1545
CLOUDFLARED_LIMITED = """\
2026-05-29T09:25:34Z INF Requesting new quick Tunnel on trycloudflare.com...
2026-05-29T09:25:34Z ERR Error unmarshaling QuickTunnel response: error code: 1015 \
error="invalid character 'e' looking for beginning of value" status_code="429 Too Many Requests"
failed to unmarshal quick Tunnel: invalid character 'e' looking for beginning of value
"""

# cloudflared 2022.1.3, 2022-01-29: https://github.com/cloudflare/cloudflared/issues/555
CLOUDFLARED_OFFLINE = """\
2022-01-29T09:49:15Z INF Requesting new quick Tunnel on trycloudflare.com...
failed to request quick Tunnel: Post "https://api.trycloudflare.com/tunnel": dial tcp: \
lookup api.trycloudflare.com on 127.0.0.11:53: no such host
"""

# Tailscale 1.52 or later, 2023-11-02, and the same text in the source of 1.103.0 (August 2026):
# https://github.com/hacdias/indielib/blob/main/examples/client/README.md
TAILSCALE = """\
Available on the internet:

https://your-machine.and.your.ts.net/
|-- proxy http://127.0.0.1:3000

Press Ctrl+C to exit.
"""
TAILSCALE_ADDRESS = "https://your-machine.and.your.ts.net"

# Tailscale, version not given, 2025-07-27: https://github.com/tailscale/tailscale/issues/16668
TAILSCALE_NOT_ALLOWED = """\
Funnel is not enabled on your tailnet.
To enable, visit:

         https://login.tailscale.com/f/funnel?node=nho4oGYG7X11CNTRL

Success.
error: failed to apply TCP serve: unable to expand target: only localhost or 127.0.0.1 proxies \
are currently supported
"""

# ngrok 3, 2025-09-14, the one line that is given:
# https://github.com/Alchemical-AI-LLC/Helpware-Design-PRD/blob/main/TEXT_README.md
NGROK = """\
t=2025-09-14T23:11:12-0400 lvl=info msg="started tunnel" obj=tunnels name=command_line \
addr=http://localhost:8000 url=https://fdc8a91c9bb8.ngrok.app
"""
NGROK_ADDRESS = "https://fdc8a91c9bb8.ngrok.app"

# ngrok 3, 2026-02-07: https://github.com/runatlantis/atlantis/pull/6164
NGROK_WITHOUT_ACCOUNT = r"""t=2026-02-07T19:59:52+0800 lvl=info msg="open config file" path=/tmp/atlantis-testdrive-ngrok-config2847592896 err=nil
t=2026-02-07T19:59:52+0800 lvl=info msg="FIPS 140 mode" enabled=false
t=2026-02-07T19:59:52+0800 lvl=info msg="starting web service" obj=web addr=localhost:41414 allow_hosts=[]
t=2026-02-07T19:59:52+0800 lvl=eror msg="failed to reconnect session" obj=tunnels.session err="authentication failed: Usage of ngrok requires a verified account and authtoken.\n\nSign up for an account: https://dashboard.ngrok.com/signup\nInstall your authtoken: https://dashboard.ngrok.com/get-started/your-authtoken\r\n\r\nERR_NGROK_4018\r\n"
"""  # noqa: E501
