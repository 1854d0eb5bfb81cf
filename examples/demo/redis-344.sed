# SPDX-License-Identifier: Apache-2.0
# Puts the bug of redis issue 344 (listing 2 of the paper) into src/t_hash.c.
#
# hmgetCommand: the reply for the wrong type, and on it goes.
/^void hmgetCommand/,/^}/ s/if (checkType(c,o,OBJ_HASH)) return;/if (o != NULL \&\& o->type != OBJ_HASH)\n        addReplyErrorObject(c,shared.wrongtypeerr);/
# hashTypeGetValue (hashGet in the revision of the issue): what is no list pack is a hash table, and
# nobody checks it again.
/^sds hashTypeGetFromHashTable/,/^}/ s/serverAssert(o->encoding == OBJ_ENCODING_HT);//
/^int hashTypeGetValue/,/^}/ {
	/^    } else {$/ {
		N
		/serverPanic/d
	}
	s/} else if (o->encoding == OBJ_ENCODING_HT) {/} else {/
}
