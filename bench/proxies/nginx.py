"""nginx, split with ``split_clients`` (ngx_http_split_clients_module)."""

from __future__ import annotations

from bench.proxies.setup import IDLE_SECONDS, Command, Setup

CONFIG = """\
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log stderr error; worker_rlimit_nofile 65536;
events {{ worker_connections 32768; }}
http {{
    access_log off; tcp_nodelay on;
    keepalive_requests 1000000000; keepalive_timeout {idle}s; client_max_body_size 0;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    split_clients $http_x_user_id $arm {{ 50% candidate; * baseline; }}
    map $http_x_request_id $id {{ "" $request_id; default $http_x_request_id; }}
    upstream baseline {{
        server 127.0.0.1:{baseline};
        keepalive {pool}; keepalive_requests 1000000000; keepalive_timeout {idle}s;
    }}
    upstream candidate {{
        server 127.0.0.1:{candidate};
        keepalive {pool}; keepalive_requests 1000000000; keepalive_timeout {idle}s;
    }}
    server {{
        listen 127.0.0.1:{port} {tls} backlog=4096;
        {certificate}
        proxy_http_version 1.1; proxy_request_buffering off; proxy_max_temp_file_size 0;
        proxy_set_header Connection "";
        proxy_set_header Host $http_host;
        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        proxy_set_header X-Forwarded-Proto $scheme;
        proxy_set_header X-Forwarded-Host $http_host;
        proxy_set_header X-Request-ID $id;
        add_header X-Request-ID $id;
{locations}
    }}
}}
"""


def nginx(setup: Setup) -> Command:
    """One worker. Bodies are streamed, not spooled to files, as the other proxies do."""
    certificate = f"ssl_certificate {setup.certificate}; ssl_certificate_key {setup.certificate};"
    text = CONFIG.format(
        folder=setup.folder,
        idle=IDLE_SECONDS,
        pool=setup.pool,
        port=setup.port,
        baseline=setup.baseline_port,
        candidate=setup.candidate_port,
        tls="ssl" if setup.case.tls else "",
        certificate=certificate if setup.case.tls else "",
        locations="\n".join(f"        location {prefix} {{ proxy_pass http://$arm; }}" for prefix in setup.prefixes),
    )
    return ["nginx", "-c", setup.write("nginx.conf", text), "-p", str(setup.folder)]
