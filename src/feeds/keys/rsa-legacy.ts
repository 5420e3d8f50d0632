import forge from 'node-forge'

/**
 * Opens a private key that is protected in a way which openssl 3, and so Node, no longer opens: the traditional format with
 * DES or RC2, or PKCS#8 with a cipher of PKCS#12 or PKCS#5 v1.
 *
 * @returns PKCS#1 in PEM; undefined when the passphrase is wrong or the protection is unknown here as well
 */
export function legacyPrivateKey(pem: string, passphrase: string): string | undefined {
  try {
    const key = forge.pki.decryptRsaPrivateKey(pem, passphrase)
    // Its types say it is always one; it is null for a wrong passphrase.
    return key ? forge.pki.privateKeyToPem(key) : undefined
  } catch {
    return undefined
  }
}
