/* nginx, which answers every request with a fixed body: what an HTTP server can reach that decides nothing. It stands
 * beside the routers' port and has no subscribers. */
#include "bench/peers/nginx.h"

/* How long the answers are that it shall match is known only after it runs, so it has a body of each length. */
static void configure(FILE *file, unsigned port, uint32_t connections) {
    fprintf(file,
            "daemon off;\nmaster_process off;\nworker_processes 1;\npid nginx.pid;\nerror_log stderr error;\n"
            "events { worker_connections %u; }\n"
            "http {\n  access_log off;\n  keepalive_requests 1000000000;\n  default_type application/json;\n"
            "  client_body_temp_path body;\n  proxy_temp_path proxy;\n  fastcgi_temp_path fastcgi;\n"
            "  uwsgi_temp_path uwsgi;\n  scgi_temp_path scgi;\n  server {\n    listen 127.0.0.1:%u;\n",
            (unsigned)connections + 64, port);
    for (int length = NGINX_BODY_BYTES_MIN; length <= NGINX_BODY_BYTES_MAX; length++) {
        fprintf(file, "    location = /%d { return 200 \"", length);
        for (int i = 0; i < length; i++)
            fputc('x', file);
        fputs("\"; }\n", file);
    }
    fputs("  }\n}\n", file);
}

const struct peer peer_nginx = {.name = "nginx",
                                .key = "nginx",
                                .program = "nginx",
                                .version_flag = "-v",
                                .directory_flag = "-p",
                                .transport = "HTTP",
                                .configure = configure};
