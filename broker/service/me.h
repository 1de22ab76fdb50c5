/* `me`: a person's own facts, unabridged, on each of their devices. */
#ifndef LEDIG_SERVICE_ME_H
#define LEDIG_SERVICE_ME_H

struct session;

/* Sends it, unless it is what the device was sent last. Where the device takes nothing now, it is sent when it does. */
void me_send(struct session *session);

#endif
