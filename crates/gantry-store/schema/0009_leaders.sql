-- Who leads: the holder until its time is over. The epoch grows with every change of the holder; a leader of an older
-- one can write nothing any more.
CREATE TABLE leaders (
  name TEXT PRIMARY KEY,
  holder TEXT NOT NULL,
  epoch {int} NOT NULL,
  expires_us {int} NOT NULL
) {strict};
INSERT INTO leaders (name, holder, epoch, expires_us) VALUES ('service', '', 0, 0);
