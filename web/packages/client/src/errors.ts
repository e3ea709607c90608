/** What the bridge answered instead; `message` is written for the person who reads it. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
  ) {
    super(message)
    this.name = 'ApiError'
  }

  /** Trying the same thing again can help: the other side was busy or gone. */
  get isTemporary(): boolean {
    return this.status === 0 || this.status === 429 || this.status >= 500
  }
}

export const OFFLINE = new ApiError(0, 'offline', '网络不通，恢复后会自动重试')
